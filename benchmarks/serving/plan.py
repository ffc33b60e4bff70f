"""What a server is asked, and how an answer becomes a record."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import httpx
import typer

from benchmarks.journal import Journal, Key, Mix, Record
from benchmarks.process import ProgramFailed
from service.bench.figures import Figures, Sitting, as_json
from service.bench.load import Load, measure
from service.bench.measurement import Measurement
from service.errors import ServerRefused

PLACE = re.compile(r"(?:/[\w.+-]+)+/")  # where something lies on this machine


@dataclass(frozen=True, slots=True)
class Workload:
    mix: Mix
    streams: int
    num_requests: int
    setting: str = ""  # of the server
    num_tokens: int = 64  # of each answer
    num_registered: int = 8  # adapters
    num_earlier: int = 0  # requests of the same mix before

    def seed(self, round_number: int) -> int:
        """New prompts for each workload and round, but every server gets the same."""
        asked = (round_number, self.mix, self.streams, self.num_registered, self.num_earlier)
        return crc32(repr(asked).encode())


@dataclass(frozen=True, slots=True)
class Measured:
    figures: Figures
    details: dict[str, Any] = field(default_factory=dict[str, Any])


Measure = Callable[[Workload, int], Measured]  # with a seed


@dataclass(frozen=True, slots=True)
class Plan:
    """Workloads that one start of a server serves."""

    part: str
    server: str
    workloads: tuple[Workload, ...]
    open: Callable[[], AbstractContextManager[Measure]]

    def conduct(self, journal: Journal, round_number: int) -> None:
        """Measure what the journal lacks in this round; a failure is written down there, too."""
        missing = [w for w in self.workloads if not journal.has(self._key(w), round_number)]
        if not missing:
            return
        current = missing[0]
        try:
            with self.open() as measure_one:
                for current in missing:
                    measured = measure_one(current, current.seed(round_number))
                    self._add(journal, current, round_number, measured)
        except (ProgramFailed, ServerRefused, OSError, httpx.HTTPError) as error:
            told = PLACE.sub("…/", str(error))
            failure = Record(key=self._key(current), round=round_number, error=told)
            journal.add(failure)
            _say(failure, f"FAILED: {error}")

    def _add(
        self, journal: Journal, workload: Workload, round_number: int, measured: Measured
    ) -> None:
        record = Record(
            key=self._key(workload),
            round=round_number,
            figures=measured.figures,
            details=measured.details,
        )
        journal.add(record)
        rate = measured.figures.get("output_tokens_per_second")
        _say(record, f"{rate:.1f} tokens/s" if rate is not None else "done")

    def _key(self, workload: Workload) -> Key:
        return Key(
            part=self.part,
            server=self.server,
            setting=workload.setting,
            mix=workload.mix,
            streams=workload.streams,
        )


def measure_load(load: Load, seconds: float | None = None) -> Measured:
    """Raises ServerRefused where there is no server, ProgramFailed where no request succeeded, and
    TimeoutError where it takes longer."""
    sitting = Sitting(load, asyncio.run(_measure_within(load, seconds)))
    if not sitting.measurement.answers:
        fault = sitting.measurement.faults[0]
        raise ProgramFailed(f"Every request failed: {fault.kind}: {fault.example}")
    told = as_json([sitting])
    rest = {
        name: value
        for name, value in told["server"].items()
        if name != "url" and name not in sitting.figures
    }
    return Measured(sitting.figures, {"load": told["load"], **rest})


async def _measure_within(load: Load, seconds: float | None) -> Measurement:
    async with asyncio.timeout(seconds):
        return await measure(load)


def _say(record: Record, outcome: str) -> None:
    key = record.key
    what = ", ".join(filter(None, (key.server, key.setting, key.mix, f"{key.streams} streams")))
    typer.echo(f"{record.at:%H:%M:%S} round {record.round + 1}: {what}: {outcome}", err=True)
