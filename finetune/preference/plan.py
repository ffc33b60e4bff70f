"""What the second stage will do, decided before the first one begins."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.chat import ChatRenderer
from data.conversation import Conversation
from data.wording import N_, _
from finetune.errors import ConfigError
from finetune.training.config import Method, TrainConfig
from finetune.training.dataset import Dataset
from finetune.training.plan import Judge, Plan

from .judges import DpoJudge, KtoJudge, balance
from .rows import JudgedRow, Judgement, in_steps, render_pairs, render_ratings, with_mismatched

logger = logging.getLogger(__name__)

Chosen = Literal["dpo", "kto"]

ENOUGH = 100  # pairs, or ratings where there are no pairs, from which on `auto` learns from them
FEWEST = 5  # held out: of fewer, nothing can be shown
SLOWER: dict[Chosen, int] = {"dpo": 20, "kto": 50}  # than the learning rate of examples
KTO_BATCH = 8  # at least: a step's answers measure how far the model has moved
WARMUP = 0.1  # of the steps

CALLED = {"dpo": N_("pairs of answers"), "kto": N_("rated answers")}
GIVE = {
    "dpo": N_('rows with "input", "preferred_output" and "non_preferred_output"'),
    "kto": N_('rows with "prompt", "completion" and "label": true or false'),
}
LEFT_OUT: dict[Chosen, str] = {
    "dpo": N_(
        "{count} answers that people like less are left out: {enough} pairs are learned from, or "
        "fewer with method dpo"
    ),
    "kto": N_(
        "{count} answers that are judged bad are left out: {enough} ratings are learned from, or "
        "fewer with method kto"
    ),
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """One pass over what people think of answers."""

    method: Chosen
    plan: Plan
    rows: Sequence[JudgedRow]  # of all steps, in their order
    measuring: Sequence[Judgement]  # held out
    judge: Judge

    @property
    def told(self) -> str:
        """What is said before the first step."""
        told = _(
            "Then {method} on {count} {what}, {held_out} held out: {steps} steps at a learning "
            "rate of {rate:.1e}; kept only if it is better than the examples alone"
        )
        return told.format(
            method=self.method.upper(),
            count=self.num_judgements,
            what=_(CALLED[self.method]),
            held_out=len(self.measuring),
            steps=self.plan.num_steps,
            rate=self.plan.learning_rate,
        )

    @property
    def num_judgements(self) -> int:
        return len(self.rows) // 2  # of each two rows: both answers, or one and a mismatched one


def plan_preferences(
    config: TrainConfig, dataset: Dataset, renderer: ChatRenderer, examples: Plan
) -> Preferences | None:
    """The stage behind the `examples`, whose rate and batch it follows; None where there is none.

    Raises ConfigError where the method that is asked for has too little to learn from, and
    DataError for what a template refuses.
    """
    both = (*dataset.judged, *dataset.held_out_judged)
    ratings = _of("kto", both)
    num_ratings = len(ratings) if len({each.is_good for each in ratings}) > 1 else 0
    num_pairs = len(_of("dpo", both))
    method = choose(config.method, num_pairs, num_ratings)
    num_others = {"dpo": num_pairs, "kto": sum(each.is_good is False for each in both)}
    for missed, told in LEFT_OUT.items():
        if missed != method and num_others[missed]:
            logger.warning("%s", _(told).format(count=num_others[missed], enough=ENOUGH))
    if method is None:
        return None
    render = render_pairs if method == "dpo" else render_ratings
    trained, measuring = (
        render(_of(method, side), renderer, config.max_tokens)
        for side in (dataset.judged, dataset.held_out_judged)
    )
    if fault := _too_few(method, len(_of(method, both)), len(trained), len(measuring)):
        if config.method != "auto":
            raise ConfigError(_("The options have faults"), [f"method: {fault}"])
        logger.warning("%s", fault)
        return None
    return _plan(method, config, trained, measuring, examples)


def choose(method: Method, num_pairs: int, num_ratings: int) -> Chosen | None:
    """What to learn from besides examples; None: nothing. Ratings are of both kinds, or none."""
    if method in ("dpo", "kto"):
        return method
    if method == "sft":
        return None
    if num_pairs >= ENOUGH:
        return "dpo"
    return "kto" if num_ratings >= ENOUGH and not num_pairs else None


def _of(method: Chosen, judged: Sequence[Conversation]) -> list[Conversation]:
    if method == "dpo":
        return [each for each in judged if each.rejected]
    return [each for each in judged if each.is_good is not None]


def _too_few(method: Chosen, num_given: int, num_trained: int, num_measuring: int) -> str | None:
    what = _(CALLED[method])
    if not num_given:
        told = _(
            "{method} learns from {what}, and there are none: give {rows}, or leave method out"
        )
        return told.format(method=method, what=what, rows=_(GIVE[method]))
    if num_measuring < FEWEST or num_trained < FEWEST:
        told = _(
            "{method} needs {fewest} {what} to learn from, and {fewest} that are held out to show "
            "that it helps; there are {trained} and {held_out}. Give more, or hold out another "
            "share (--holdout 0.3)"
        )
        return told.format(
            method=method, fewest=FEWEST, what=what, trained=num_trained, held_out=num_measuring
        )
    return None


def _plan(
    method: Chosen,
    config: TrainConfig,
    trained: Sequence[Judgement],
    measuring: Sequence[Judgement],
    examples: Plan,
) -> Preferences:
    batch_size = examples.batch_size if method == "dpo" else max(KTO_BATCH, examples.batch_size)
    steps = in_steps(trained, batch_size, config.seed)
    if method == "kto":
        steps = [with_mismatched(step) for step in steps]
    rows = [row for step in steps for judgement in step for row in judgement]
    ends = [0]
    for step in steps:
        ends.append(ends[-1] + sum(map(len, step)))
    windows = tuple(tuple(range(ends[i], ends[i + 1])) for i in range(len(steps)))
    num_steps = len(windows)
    plan = Plan(
        learning_rate=examples.learning_rate / SLOWER[method],
        dropout=0.0,
        epochs=1,
        batch_size=batch_size,
        warmup_steps=max(1, round(WARMUP * num_steps)),
        windows=windows,
        eval_steps=frozenset({(num_steps + 1) // 2, num_steps}),
        num_tokens=sum(len(row.token_ids) for row in rows),
    )
    if method == "dpo":
        return Preferences(method, plan, rows, measuring, DpoJudge(config.beta))
    num_good = sum(row.part == "preferred" for row in rows)
    weights = balance(num_good, len(trained) - num_good)
    return Preferences(method, plan, rows, measuring, KtoJudge(config.beta, weights))
