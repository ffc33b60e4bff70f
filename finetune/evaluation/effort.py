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
MINUTE = 60  # [seconds]


@dataclass(frozen=True, slots=True)
class Effort:
    """One part of a comparison."""

    what: str
    num_read: int = 0  # [tokens] of rows, by both sides
    num_steps: int = 0  # in each of which every answer of a batch gets a token

    def seconds(self, rate: float) -> float:
        """At so many tokens read a second."""
        return (self.num_read + STEP * self.num_steps) / rate


def num_tokens(rows: PairedRows) -> int:
    return sum(len(row.token_ids) for side in (rows.baseline, rows.adapter) for row in side)


def measure_rate(pair: Pair, rows: Sequence[Rendered]) -> float:
    """[tokens read a second], from a first few rows."""
    some = rows[:PROBED]
    start = time.perf_counter()
    pair.loss(pair.baseline, some)
    return sum(len(row.token_ids) for row in some) / (time.perf_counter() - start)


class Course:
    """Tells each part before it begins, and how long all that is left will take."""

    def __init__(
        self, announce: Callable[[str], None], efforts: Sequence[Effort], rate: float
    ) -> None:
        self._announce = announce
        self._left = list(efforts)
        self._rate = rate

    def begin(self) -> None:
        """The next part. Raises whatever `announce` raises to stop here."""
        seconds = sum(effort.seconds(self._rate) for effort in self._left)
        effort = self._left.pop(0)
        left = _("{time} to the end of the report").format(time=duration(seconds))
        self._announce(f"{effort.what} ({left})")


def duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return _("about {count} s").format(count=max(1, round(seconds)))
    return _("about {count} min").format(count=round(seconds / MINUTE))
