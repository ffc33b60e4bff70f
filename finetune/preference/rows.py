"""Judged answers as rows: rendered as a server will ask, like all that is trained.

Rows of one judgement stand side by side: an answer and one that people like less; or an answer that
was called good or bad, and one that belongs to another question of the same step.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation
from data.wording import _
from finetune.training.rows import build_rows

logger = logging.getLogger(__name__)

Part = Literal["preferred", "other", "mismatched"]
NO_LIMIT = 1 << 20  # [tokens]: nothing is cut, so that both answers follow the same prompt


@dataclass(frozen=True, slots=True)
class JudgedRow(Rendered):
    """A row, what people think of its answer, and how likely the answer was before the stage."""

    part: Part
    reference: float = 0.0  # [nats]


Judgement = tuple[JudgedRow, ...]  # an answer and the other; or an answer alone


def render_pairs(
    conversations: Sequence[Conversation], renderer: ChatRenderer, max_tokens: int
) -> list[Judgement]:
    """What is preferred, and the other. Raises DataError for what a template refuses."""
    preferred, _shortened = build_rows(conversations, renderer, NO_LIMIT)
    others = [each.with_rejected for each in conversations]
    other, _shortened = build_rows(others, renderer, NO_LIMIT)
    pairs = [
        (_judged(one, "preferred"), _judged(two, "other"))
        for one, two in zip(preferred, other, strict=True)
    ]
    return _fitting(pairs, max_tokens)


def render_ratings(
    conversations: Sequence[Conversation], renderer: ChatRenderer, max_tokens: int
) -> list[Judgement]:
    """Answers that were called good or bad. Raises DataError for what a template refuses."""
    rows, _shortened = build_rows(map(_last_alone, conversations), renderer, NO_LIMIT)
    rated = [
        (_judged(row, "preferred" if each.is_good else "other"),)
        for row, each in zip(rows, conversations, strict=True)
    ]
    return _fitting(rated, max_tokens)


def in_steps(
    judgements: Sequence[Judgement], batch_size: int, seed: int
) -> list[tuple[Judgement, ...]]:
    """The judgements of each step, in an order of the seed's; a last one joins the step before."""
    order = [*judgements]
    random.Random(f"{seed}:preferences").shuffle(order)
    steps = [tuple(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]
    if len(steps) > 1 and len(steps[-1]) == 1:
        steps[-2:] = [steps[-2] + steps[-1]]
    return steps


def with_mismatched(step: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """A step's rated answers, each with the answer of the one before behind its own question."""
    rows = [row for (row,) in step]
    return tuple(
        (row, _mismatched(row, before))
        for row, before in zip(rows, [*rows[-1:], *rows[:-1]], strict=True)
    )


def _judged(row: Rendered, part: Part) -> JudgedRow:
    return JudgedRow(row.token_ids, row.trained, part)


def _last_alone(conversation: Conversation) -> Conversation:
    """The last answer is what people have judged."""
    *before, last = conversation.messages
    return replace(
        conversation,
        messages=(*(replace(each, trained=False) for each in before), replace(last, trained=True)),
    )


def _mismatched(asked: JudgedRow, answered: JudgedRow) -> JudgedRow:
    prompt = asked.token_ids[: asked.trained.index(True)]
    answer = answered.token_ids[answered.trained.index(True) :]
    trained = answered.trained[-len(answer) :]
    return JudgedRow(prompt + answer, (False,) * len(prompt) + trained, "mismatched")


def _fitting(judgements: list[Judgement], max_tokens: int) -> list[Judgement]:
    kept = [each for each in judgements if all(len(row.token_ids) <= max_tokens for row in each)]
    if left_out := len(judgements) - len(kept):
        told = _(
            "{count} judged answers are longer than {tokens} tokens with what was asked before: "
            "nothing is learned from what people think of them (--set max_tokens)"
        )
        logger.warning("%s", told.format(count=left_out, tokens=max_tokens))
    return kept
