"""The verdict beside what two readers said of forty runs, each by itself, without its thresholds.

A dozen runs were measured; the rest are edited from them, and say so. Ten were set aside until
the thresholds stood: all of them were judged as both readers judge them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from finetune.evaluation.compare import Measured
from finetune.evaluation.likelihood import Likelihood
from finetune.evaluation.samples import Samples
from finetune.evaluation.usability import Past
from finetune.evaluation.verdict import judge
from tests.finetune.evaluation.measuring import steps

FILE = Path(__file__).with_name("verdicts.json")
LIKELIHOOD, SAMPLES = TypeAdapter(Likelihood), TypeAdapter(Samples)

# Where the verdict is not what both readers said, and why it stays so.
FLUENT = "whole sentences of the subject's words that answer nothing; no number here tells sense"
DISAGREEMENTS = {
    "bike-few": FLUENT,
    "bike-short": FLUENT,
    "half-wrong-tcm": "two answers of four are about another complaint, in the right manner",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    name: str
    is_real: bool
    labels: tuple[str, ...]  # of the two readers
    found: str

    @property
    def agreed(self) -> str | None:
        return self.labels[0] if len(set(self.labels)) == 1 else None


def verdict_on(run: dict[str, Any]) -> str:
    samples = SAMPLES.validate_python(run["answers"])
    unseen = LIKELIHOOD.validate_python(run["held_out"])
    measured = Measured("fp32", unseen, True, {}, samples, None)
    past = Past(run["num_rows"] or None, steps([2.5] * (run["num_steps"] // 4)))
    first = judge(measured, run["baseline"], past)[0]
    return "not usable" if first.tone == "bad" else "usable"


@pytest.fixture(scope="module")
def runs() -> list[Labelled]:
    return [
        Labelled(run["name"], run["is_real"], tuple(run["labels"]), verdict_on(run))
        for run in json.loads(FILE.read_text(encoding="utf-8"))
    ]


def test_there_are_forty_of_which_a_dozen_were_measured(runs: list[Labelled]):
    assert len(runs) == len({run.name for run in runs}) == 40
    assert sum(run.is_real for run in runs) == 12
    assert all(len(run.labels) == 2 for run in runs)


def test_the_verdict_is_what_both_readers_say(runs: list[Labelled]):
    wrong = {run.name for run in runs if run.agreed and run.found != run.agreed}
    assert wrong == set(DISAGREEMENTS)
