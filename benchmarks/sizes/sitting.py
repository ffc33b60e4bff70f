"""What all measurements share: the base, its folder, the journal; and how one becomes a record."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import typer
from pydantic import BaseModel, ConfigDict

from benchmarks.journal import AnyJournal, AnyRecord
from benchmarks.process import ProgramFailed
from finetune.bases.shape import Shape
from service.bench.figures import Figures
from service.errors import ServerRefused

from .shapes import Least

SEED = 11
PLACE = re.compile(r"(?:/[\w.+-]+)+/")  # where something lies on this machine


class SizeKey(BaseModel):
    """What was measured of which size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: str
    server: str  # or trainer
    what: str


class SizeRecord(AnyRecord[SizeKey]):
    pass


SizeJournal = AnyJournal[SizeKey]


@dataclass(frozen=True, slots=True)
class Sitting:
    size: str
    base: Path
    home: Path  # for adapters, logs, and compiled code
    threads: int
    is_short: bool  # a rehearsal
    journal: SizeJournal

    @property
    def shape(self) -> Shape:
        return self.least.shape

    @property
    def least(self) -> Least:
        return Least.of(self.size)

    @property
    def weight_files(self) -> list[Path]:
        return sorted(self.base.glob("*.safetensors"))

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{self.size.replace(':', '-')}-{name}.log"

    def lacks(self, server: str, what: str) -> bool:
        return not self.journal.has(self._key(server, what), 0)

    def measure(self, server: str, what: str, work: Callable[[], Figures]) -> None:
        """Keep what the work finds, unless it is there already; a failure is written down, too."""
        if not self.lacks(server, what):
            return
        key, found, told = self._key(server, what), Figures(), None
        try:
            found = work()
        except (ProgramFailed, ServerRefused, OSError, TimeoutError, httpx.HTTPError) as error:
            told = PLACE.sub("…/", str(error))
        record = SizeRecord(key=key, round=0, figures=found, error=told)
        self.journal.add(record)
        shown = told or ", ".join(f"{name} {value:.4g}" for name, value in found.items() if value)
        typer.echo(f"{record.at:%H:%M:%S} {self.size}, {server}, {what}: {shown}", err=True)

    def _key(self, server: str, what: str) -> SizeKey:
        return SizeKey(size=self.size, server=server, what=what)
