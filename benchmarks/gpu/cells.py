"""What each server is asked, and the journal of what came of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zlib import crc32

from pydantic import BaseModel, ConfigDict

from benchmarks.journal import AnyJournal, AnyRecord
from benchmarks.summary import Rounds
from service.bench.load import Load, Target

from .material import Material, Scale

Mix = Literal["all", "one", "none"]  # of the adapters


class Key(BaseModel):
    """What was measured. Rounds repeat it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: str
    mix: Mix
    streams: int


Record = AnyRecord[Key]
Summary = Rounds[Key]


class Journal(AnyJournal[Key]):
    """A file of records of servers on a GPU."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Record)

    def most(self, keys: Iterable[Key], detail: str) -> float:
        """The most [seconds] that has been seen; 0 where nothing has."""
        wanted = set(keys)
        found = (record.details.get(detail, 0.0) for record in self.records if record.key in wanted)
        return max(found, default=0.0)


@dataclass(frozen=True, slots=True)
class Cell:
    mix: Mix
    streams: int

    def key(self, side: str) -> Key:
        return Key(side=side, mix=self.mix, streams=self.streams)

    def load(self, url: str, material: Material, scale: Scale, round_number: int) -> Load:
        """New prompts for each round, the same for every server."""
        names = list(material.adapters)
        models = {"all": names, "one": names[:1], "none": [material.base.name]}[self.mix]
        return Load(
            url,
            tuple(map(Target, models)),
            concurrency=self.streams,
            num_requests=scale.requests_per_stream * self.streams,
            prompt_tokens=scale.prompt_tokens,
            output_tokens=scale.output_tokens,
            seed=crc32(repr((round_number, self.mix, self.streams)).encode()),
        )


def middle(scale: Scale) -> int:
    """The number of streams at which the adapters' price is measured."""
    return scale.streams[len(scale.streams) // 2]


def cells_of(scale: Scale) -> Iterator[Cell]:
    for streams in scale.streams:
        yield Cell("all", streams)
    yield Cell("one", middle(scale))
    yield Cell("none", middle(scale))
