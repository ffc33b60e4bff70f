"""What a process holds, second by second, and whether that grows."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import psutil

PAUSE = 1.0  # [seconds]
LEAST_SAMPLES = 60  # fewer say nothing about growth


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: float  # since the beginning
    memory: int  # [bytes] resident
    num_files: int  # descriptors
    num_threads: int


@dataclass(slots=True)
class Watch:
    process: psutil.Process
    samples: list[Sample] = field(default_factory=list[Sample])

    async def run(self, end: asyncio.Event) -> None:
        """A process that has died is the end, too."""
        begin = time.monotonic()
        while not end.is_set():
            if self.process.status() == psutil.STATUS_ZOMBIE:
                end.set()
                return
            self.samples.append(self._look(time.monotonic() - begin))
            await asyncio.sleep(PAUSE)

    def _look(self, seconds: float) -> Sample:
        with self.process.oneshot():
            return Sample(
                seconds,
                self.process.memory_info().rss,
                self.process.num_fds(),
                self.process.num_threads(),
            )


@dataclass(frozen=True, slots=True)
class Course:
    """A figure after warm-up, which is the first tenth, and at the end."""

    early: float  # the median of the second tenth
    late: float  # the median of the last tenth
    most: float

    @property
    def growth(self) -> float:
        return self.late - self.early

    @property
    def change(self) -> float:
        """1 stands for twice as much, or for all gone."""
        return abs(self.growth) / self.early


def course(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> Course | None:
    """None where there are too few samples."""
    if len(samples) < LEAST_SAMPLES:
        return None
    values = [figure(sample) for sample in samples]
    tenth = len(values) // 10
    return Course(median(values[tenth : 2 * tenth]), median(values[-tenth:]), max(values))
