"""How many cores other programs leave free, and so how many threads pay here and now.

Threads of one computation wait for one another many times in every layer. With more threads than
free cores, one of them is not running when the others wait for it.
"""

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from data.wording import _

logger = logging.getLogger(__name__)

OfCore = TypeVar("OfCore")

LOOK = 2.0  # [seconds] from one look to the next
SPAN = 5  # looks that are taken together: other programs come and go
# [cores] in use elsewhere for which no thread is given up. A program that competes with two threads
# for two cores gets two thirds of one; so does a client that reads many answers.
SPARED = 0.7
APART = 0.2  # [cores] between giving a thread up and taking it back
# Nine shares for a thread of a server to one of a training (1,024 and 110 of Linux's weights).
# With 5, three to one, the time between two tokens grew to 3.1 times that alone beside two
# trainings, with 10 to 1.7 times.
NICENESS = 10


@dataclass(frozen=True, slots=True)
class CpuUsage:
    """Seconds that processors have worked so far, on the cores that this process may use."""

    at: float  # [seconds] of a monotonic clock
    everybody: float
    own: float


class FreeCores:
    """Belongs to one thread, which asks before each step; looking costs it a tenth of a
    millisecond every two seconds."""

    def __init__(self, most: int, look: Callable[[], CpuUsage] | None = None) -> None:
        self.most = most
        self._cores = usable_cores()
        self._take_look = look or (lambda: look_at(self._cores))
        self._seen: list[CpuUsage] = []
        self._others = 0.0
        self._count = most
        self.look()

    @property
    def others(self) -> float:
        """Cores that other programs use, on average of the last seconds."""
        return self._others

    def num_threads(self, now: float | None = None) -> int:
        """The threads to use: as many as there are free cores, at least one, at most as many as it
        was made for."""
        self.look(now)
        fewer, more = (self._count_with(spared) for spared in (SPARED, SPARED - APART))
        count = fewer if fewer < self._count else max(self._count, more)
        if count != self._count:
            self._tell(count)
            self._count = count
        return count

    def _count_with(self, spared: float) -> int:
        return max(1, min(self.most, int(len(self._cores) - self._others + spared)))

    def use(self) -> None:
        """Have torch compute with so many from now on, in this thread."""
        import torch

        if torch.get_num_threads() != (count := self.num_threads()):
            torch.set_num_threads(count)

    def look(self, now: float | None = None) -> None:
        """Where the last look is long enough ago; an idle program calls this now and then."""
        if self._seen and (time.monotonic() if now is None else now) - self._seen[-1].at < LOOK:
            return
        try:
            usage = self._take_look()
        except (OSError, psutil.Error) as error:  # too many open files, or a closed /proc
            logger.debug("Nothing is known of other programs now: %s", error)
            return
        self._seen = [*self._seen[-SPAN:], usage]
        first, last = self._seen[0], self._seen[-1]
        if last.at > first.at:
            used = last.everybody - first.everybody - (last.own - first.own)
            self._others = max(0.0, used / (last.at - first.at))

    def _tell(self, count: int) -> None:
        if count == self.most:
            told = _("The cores are free again: computing with {count} threads")
            logger.info("%s", told.format(count=count))
        elif self._count == self.most:
            one = _(
                "Other programs use {used:.1f} of {cores} cores: computing with 1 thread, and "
                "slower"
            )
            several = _(
                "Other programs use {used:.1f} of {cores} cores: computing with {count} threads, "
                "and slower"
            )
            told = one if count == 1 else several
            cores = len(self._cores)
            logger.warning("%s", told.format(used=self._others, cores=cores, count=count))


def usable_cores() -> Sequence[int]:
    """The numbers of those that this process may use."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return range(psutil.cpu_count() or 1)


def gives_way() -> bool:
    """Whether this process has a lower priority than usual."""
    return sys.platform != "win32" and os.nice(0) > 0


def give_way(process_id: int = 0) -> None:
    """Let answers and whatever else is at work here come first; alone it costs nothing.

    Another process than this one has to be told before it has threads.
    """
    if sys.platform == "win32":
        return
    with suppress(ProcessLookupError):  # it has ended
        if os.getpriority(os.PRIO_PROCESS, process_id) == 0:
            os.setpriority(os.PRIO_PROCESS, process_id, NICENESS)


def let_session_give_way(process_id: int | None = None) -> None:
    """Let the session of a process give way to others; the one of this process, until it ends.

    Linux divides cores among sessions first (sched(7), autogroup): how nice a process is counts
    among those of its own alone. Without it a server in another session made 5 tokens a second
    beside a training instead of 270 (two cores, four streams).
    """
    path = Path(f"/proc/{process_id or 'self'}/autogroup")
    with suppress(OSError, IndexError):  # no Linux, one without, or a session without
        if path.read_text("ascii").split()[-1] not in ("0", str(NICENESS)):
            return  # somebody has chosen
        path.write_text(str(NICENESS), "ascii")
        if process_id is None:
            atexit.register(_let_session_be, path)


def _let_session_be(path: Path) -> None:
    for _attempt in range(3):
        with suppress(BlockingIOError):  # who is not root may change it ten times a second
            path.write_text("0", "ascii")
            return
        time.sleep(0.2)


def busiest_core() -> float:
    """The share of a fifth of a second in which the busiest of this process's cores worked, for
    whomever; 1 where nothing is known of it."""
    try:
        shares = psutil.cpu_percent(interval=0.2, percpu=True)
    except (OSError, psutil.Error) as error:
        logger.debug("Nothing is known of other programs now: %s", error)
        return 1.0
    return max(_of_cores(usable_cores(), shares)) / 100


def look_at(cores: Sequence[int]) -> CpuUsage:
    """What programs of low priority use does not count for one of usual priority: they give way."""
    each = _of_cores(cores, psutil.cpu_times(percpu=True))
    busy = sum(times.user + times.system for times in each)
    if sys.platform != "win32" and gives_way():
        busy += sum(times.nice for times in each)
    own = psutil.Process().cpu_times()
    return CpuUsage(time.monotonic(), busy, own.user + own.system)


def _of_cores(cores: Sequence[int], each: Sequence[OfCore]) -> Sequence[OfCore]:
    """What is told of some of all cores; where those are numbered otherwise, of all."""
    return [each[core] for core in cores] if max(cores) < len(each) else each
