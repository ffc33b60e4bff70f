"""How much a comparison computes, and how long that takes on this machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data.chat import Rendered
from data.wording import _

from .sides import Pair, PairedRows

# [tokens] read in the time that it takes to write one token of every answer: 94 ms beside 457
# tokens a second (SmolLM2-135M in fp32, two cores with AVX2; with AVX-512 it is the same).
STEP = 43
PROBED = 2  # rows that the speed is measured on
TRUST = 5  # [seconds] for which that speed counts beside the one that is seen later
MINUTE = 60  # [seconds]

OnWork = Callable[[float, float], None]  # told the seconds that are done, and those that are left


@dataclass(frozen=True, slots=True)
class Effort:
    """One part of a comparison."""

    what: str
    num_read: int = 0  # [tokens] of rows, by both sides
    num_steps: int = 0  # in each of which every answer of a batch gets a token

    @property
    def size(self) -> int:
        """[tokens] that could be read meanwhile."""
        return self.num_read + STEP * self.num_steps

    def seconds(self, rate: float) -> float:
        """The seconds that this takes at so many tokens read a second."""
        return self.size / rate


def num_tokens(rows: PairedRows) -> int:
    return sum(len(row.token_ids) for side in (rows.baseline, rows.adapter) for row in side)


def measure_rate(pair: Pair, rows: Sequence[Rendered]) -> float:
    """[tokens read a second], from a first few rows."""
    some = rows[:PROBED]
    start = time.perf_counter()
    pair.loss(pair.baseline, some)
    return sum(len(row.token_ids) for row in some) / (time.perf_counter() - start)


class Course:
    """Tells each part before it begins, and all along how long what is left will take."""

    def __init__(
        self,
        announce: Callable[[str], None],
        efforts: Sequence[Effort],
        rate: float,
        on_work: OnWork = lambda *_: None,
    ) -> None:
        self._announce = announce
        self._on_work = on_work
        self._rate = rate
        self._coming = list(efforts)
        self._total = sum(effort.size for effort in efforts)
        self._begun = 0  # size of the parts that have begun
        self._done = 0
        self._start = time.perf_counter()

    def begin(self) -> None:
        """The next part. Raises whatever `announce` raises to stop here."""
        self._done = self._begun  # answers may have ended early
        effort = self._coming.pop(0)
        self._begun += effort.size
        time_left = duration((self._total - self._done) / self._pace)
        left = _("{time} to the end of the report").format(time=time_left)
        self._announce(_("{stage} ({left})").format(stage=effort.what, left=left))
        self.did()

    def did(self, num_read: int = 0, num_steps: int = 0) -> None:
        """Some of the part that has begun. Raises whatever `on_work` raises."""
        self._done = min(self._begun, self._done + Effort("", num_read, num_steps).size)
        pace = self._pace
        self._on_work(self._done / pace, (self._total - self._done) / pace)

    @property
    def _pace(self) -> float:
        """[tokens a second]: at first what was measured before, later what has been seen."""
        elapsed = time.perf_counter() - self._start
        return (self._done + TRUST * self._rate) / (elapsed + TRUST)


def duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return _("about {count} s").format(count=max(1, round(seconds)))
    return _("about {count} min").format(count=round(seconds / MINUTE))
