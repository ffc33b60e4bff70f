"""One run of one tool becomes a record, whatever it is run for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer
from pydantic import BaseModel, ConfigDict

from benchmarks.journal import AnyJournal, AnyRecord
from benchmarks.process import ProgramFailed
from benchmarks.serving.plan import PLACE
from finetune.bases.base import Base
from service.bench.figures import Figures

from .samples import Prepared, Sample, prepare
from .task import Compute
from .tools import Tool

Part = Literal["speed", "quality", "sweep"]


class RunKey(BaseModel):
    """What was measured. Rounds repeat it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: Part
    tool: str
    setting: str
    sample: str


RunRecord = AnyRecord[RunKey]
RunJournal = AnyJournal[RunKey]


@dataclass(frozen=True, slots=True)
class Measured:
    figures: Figures
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sitting:
    """What every run has in common."""

    base: Base
    home: Path  # for rows, adapters and logs
    tools: tuple[Tool, ...]
    samples: tuple[Sample, ...]
    compute: Compute  # the format that this CPU computes fastest in
    journal: RunJournal
    max_steps: int | None = None  # of every run, in a rehearsal

    def prepare(self, sample: Sample, seed: int) -> Prepared:
        return prepare(sample, seed, self.base, self.home / "rows")

    def folder(self, key: RunKey, round_number: int) -> Path:
        words = (key.part, key.tool, key.setting, key.sample, f"round {round_number + 1}")
        names = ("".join(letter if letter.isalnum() else "-" for letter in word) for word in words)
        return self.home.joinpath(*names)

    def conduct(self, key: RunKey, round_number: int, measure: Callable[[], Measured]) -> None:
        """Unless the journal has it; a failure is written down there, too."""
        if self.journal.has(key, round_number):
            return
        try:
            measured = measure()
        except (ProgramFailed, OSError) as error:
            told = PLACE.sub("…/", str(error))
            self.journal.add(RunRecord(key=key, round=round_number, error=told))
            _say(key, round_number, f"FAILED: {error}")
            return
        self.journal.add(
            RunRecord(
                key=key, round=round_number, figures=measured.figures, details=measured.details
            )
        )
        told = ", ".join(
            f"{name} {value:,.4g}" for name, value in measured.figures.items() if value
        )
        _say(key, round_number, told)


def _say(key: RunKey, round_number: int, outcome: str) -> None:
    what = ", ".join(filter(None, (key.part, key.tool, key.setting, key.sample)))
    typer.echo(f"round {round_number + 1}: {what}: {outcome}", err=True)
