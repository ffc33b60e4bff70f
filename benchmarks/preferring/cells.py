"""One cell: an adapter trained in one way on some corrections, and what it is worth."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, get_args

from data.chat import Rendered
from data.conversation import Conversation
from data.convert import as_row
from data.likeness import asked
from data.shipped import general_conversations
from finetune.adapters.versions import find_version
from finetune.bases.base import load_model
from finetune.evaluation.answers import last_prompt
from finetune.evaluation.sides import Pair, Side
from finetune.job import Job
from finetune.preference.judges import DpoJudge
from finetune.preference.plan import Preferences, plan_preferences
from finetune.preference.stage import PreferenceStage
from finetune.prepared import Prepared
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent
from finetune.training.peft_model import load_adapter, save_adapter
from finetune.training.rows import build_rows
from finetune.training.trainer import Trainer

from .material import (
    Material,
    correct,
    is_in_manner,
    preference,
    with_answer,
    write_rows,
)

Arm = Literal["examples", "dpo", "dpo by length", "kto"]
ARMS: tuple[Arm, ...] = get_args(Arm)
SERVED = "served"
NEVER = 1 << 20  # evaluations: the whole epoch is learned, and whether to keep it is another matter


@dataclass(frozen=True, slots=True)
class Cell:
    arm: Arm
    count: int  # corrections that are trained on
    seed: int
    right: list[float]  # loss of each held-out correction, by the token [nats]
    wrong: list[float]  # of the answers that were given before
    old: float  # loss of what is held out in the old manner
    everyday: float  # loss of everyday questions
    length: float  # of the answers that are written, as a share of the corrections'
    ended: float  # share of them with an end
    in_manner: float  # share of them in the new manner
    is_kept: bool | None  # by the rule of the stage; None: there is none
    seconds: float


class Laboratory:
    """Owns a folder with what is trained, cell by cell; what is done is not done again."""

    def __init__(
        self, home: Path, material: Material, options: dict[str, Any], tokens: int
    ) -> None:
        """`options` are those of all trainings; `tokens` how long answers may be."""
        self.home = home
        self.material = material
        self._options = {"report": "none", "promote": True, **options}
        self._tokens = tokens
        self._path = home / "cells.jsonl"
        home.mkdir(parents=True, exist_ok=True)

    @property
    def cells(self) -> list[Cell]:
        lines = self._path.read_text("utf-8").splitlines() if self._path.is_file() else []
        return [Cell(**json.loads(line)) for line in lines]

    def has(self, arm: Arm, count: int, seed: int) -> bool:
        return any((each.arm, each.count, each.seed) == (arm, count, seed) for each in self.cells)

    def fill(self, arm: Arm, count: int, seed: int) -> Cell:
        """Train and measure a cell; those of the examples come first."""
        began = time.monotonic()
        job = self._job(count, seed)
        prepared, examples = job.prepare(), self._examples(job)
        adapter, is_kept = examples, None
        if arm != "examples":
            adapter, is_kept = self._learn(arm, prepared, examples)
        found = self._measure(prepared, adapter)
        cell = Cell(arm, count, seed, **found, is_kept=is_kept, seconds=time.monotonic() - began)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")
        return cell

    def _job(self, count: int, seed: int) -> Job:
        """The pairs beside what stays as it was; half of what is held out are pairs."""
        corrected, others = self.material.corrected(count, seed)
        given = self._given
        pairs = [preference(correct(each), given[asked(each)]) for each in corrected]
        chosen = [preference(correct(each), given[asked(each)]) for each in self.material.choosing]
        name = f"with-{count}-{seed}"
        data = write_rows(self.home / f"{name}.jsonl", [*pairs, *map(as_row, others)])
        choosing = write_rows(
            self.home / "choosing.jsonl", [*chosen, *map(as_row, self.material.old)]
        )
        own = {"data": data, "validation": choosing, "name": name, "seed": seed, "method": "dpo"}
        return self._make({**own, "output_dir": self.home / "runs" / name})

    def _make(self, own: dict[str, Any]) -> Job:
        return Job(TrainConfig.model_validate({**self._options, **own}), self.home, Silent())

    def _examples(self, job: Job) -> Path:
        """The adapter that has learned from examples alone."""
        return self._trained(job.config.model_copy(update={"method": "sft"}))

    def _trained(self, config: TrainConfig) -> Path:
        """Its folder, trained at the first call; what was ended in between goes on."""
        folder = self.home / "adapters" / str(config.name)
        if not folder.is_dir():
            job = Job(config, self.home, Silent())
            job.execute(resume=job.take_up())
        return find_version(self.home / "adapters", str(config.name)).folder

    @cached_property
    def _given(self) -> dict[str, str]:
        """What the served adapter answers, by what was asked, written once."""
        path = self.home / "given.json"
        if path.is_file():
            return json.loads(path.read_bytes())
        data = write_rows(self.home / "served.jsonl", map(as_row, self.material.pool))
        choosing = write_rows(self.home / "old.jsonl", map(as_row, self.material.old))
        own = {"data": data, "validation": choosing, "name": SERVED, "method": "sft", "seed": 0}
        job = self._make({**own, "output_dir": self.home / "runs" / SERVED})
        served = self._trained(job.config)
        material = self.material
        questions = [*material.pool, *material.choosing, *material.measuring]
        written = Tried(job.prepare(), served).write(questions, self._tokens)
        given = {asked(each): text for each, (text, _) in zip(questions, written, strict=True)}
        path.write_text(json.dumps(given), encoding="utf-8")
        return given

    def _learn(self, arm: Arm, prepared: Prepared, examples: Path) -> tuple[Path, bool]:
        """The adapter after a whole epoch, and whether the stage's own rule would keep it."""
        run = self.home / "stage"
        shutil.rmtree(run, ignore_errors=True)
        preferences = _preferences(arm, prepared)
        model = load_model(prepared.base, "nf4", prepared.device)
        model = load_adapter(model, examples, trainable=True)
        first = Trainer(model, prepared.plan, prepared.config, run, prepared.device, Silent())
        held_out = prepared.dataset.held_out
        stage = PreferenceStage(preferences, first, held_out, Silent(), patience=NEVER)
        trainer, before = stage.learn(resume=False)
        outcome = stage.judge(trainer, before)
        folder = run / "adapter"
        save_adapter(model, folder, prepared.base.id)
        return folder, outcome.is_kept

    def _measure(self, prepared: Prepared, adapter: Path) -> dict[str, Any]:
        right = [correct(each) for each in self.material.measuring]
        wrong = [with_answer(each, self._given[asked(each)]) for each in right]
        tried = Tried(prepared, adapter)
        written = tried.write(right, self._tokens)
        length = sum(len(text) for text, _ in written)
        return {
            "right": tried.losses(right),
            "wrong": tried.losses(wrong),
            "old": fmean(tried.losses(self.material.old)),
            "everyday": fmean(tried.losses(general_conversations()["English"])),
            "length": length / sum(len(each.messages[-1].content) for each in right),
            "ended": fmean(is_ended for _, is_ended in written),
            "in_manner": fmean(is_in_manner(text) for text, _ in written),
        }


class Tried:
    """Owns an adapter's model for as long as it is measured."""

    def __init__(self, prepared: Prepared, adapter: Path) -> None:
        own = Side("the adapter", adapter, prepared.renderer)
        base = Side("the base", None, prepared.renderer)
        budget = prepared.config.micro_batch_tokens
        self._pair = Pair(prepared.base, base, own, prepared.device, budget)
        self._prepared = prepared

    def losses(self, conversations: Sequence[Conversation]) -> list[float]:
        """Each answer's loss, by the token [nats]."""
        found = self._pair.loss(self._pair.adapter, self._rows(conversations))
        return [total / count for total, count in zip(found.sums, found.counts, strict=True)]

    def write(self, conversations: Sequence[Conversation], tokens: int) -> list[tuple[str, bool]]:
        """Greedy answers, and whether each came to an end."""
        prompts = [last_prompt(row) for row in self._rows(conversations)]
        answers = self._pair.write(self._pair.adapter, prompts, tokens)
        return [(each.text, each.is_ended) for each in answers]

    def _rows(self, conversations: Sequence[Conversation]) -> list[Rendered]:
        prepared = self._prepared
        return build_rows(conversations, prepared.renderer, prepared.config.max_tokens)[0]


def _preferences(arm: Arm, prepared: Prepared) -> Preferences:
    preferences, config = prepared.preferences, prepared.config
    assert preferences is not None, "the method is dpo"
    if arm == "dpo by length":
        return replace(preferences, judge=DpoJudge(config.beta, by_length=True))
    if arm == "dpo":
        return preferences
    dataset = prepared.dataset
    rated = replace(
        dataset,
        judged=_ratings(dataset.judged),
        held_out_judged=_ratings(dataset.held_out_judged),
    )
    config = config.model_copy(update={"method": "kto"})
    found = plan_preferences(config, rated, prepared.renderer, prepared.plan)
    assert found is not None, "the method is kto"
    return found


def _ratings(pairs: Sequence[Conversation]) -> list[Conversation]:
    """Thumbs alone: each correction is good, and each answer that was given bad."""
    return [
        replace(each, rejected=(), is_good=is_good)
        for pair in pairs
        for each, is_good in ((pair, True), (pair.with_rejected, False))
    ]
