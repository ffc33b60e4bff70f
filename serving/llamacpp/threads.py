"""How many threads compute a single token soonest: found by trying, in the work itself.

A step of a small model is a thousand short products, after each of which threads wait for one
another; and a thread that only waits takes time from those that send the answers. With a large
model the products are long, and every core helps.

From 512 cells on, llama.cpp adds up attention in another order for another number of threads, so
the last digits of a token's logits may depend on it, as they do on which cells a sequence has.
"""

import os
import statistics
import sys

import psutil

RUN = 4  # tokens in a row with one number of threads
RUNS = 3  # of each number, in turn: what happens meanwhile happens to all of them
REST = 2000  # tokens from one comparison to the next: a machine's other work comes and goes
GAIN = 0.98  # what another number's time may be at most, times the present one's


class ThreadChoice:
    """Climbs from all threads down by halves, as long as that is faster, and looks again later."""

    def __init__(self, most: int) -> None:
        self.most = most  # for prompts, and for tokens of several requests
        self._free = most
        self._counts = _halved(most)
        self._chosen = most
        self._rest = 0  # tokens until the next comparison
        self._times: dict[int, list[float]] = {}  # by the numbers compared; empty while it rests
        self._compare()

    @property
    def free(self) -> int:
        """Threads that other programs leave cores for: none beyond them is tried or chosen."""
        return self._free

    @free.setter
    def free(self, count: int) -> None:
        if count != self._free:
            self._free = count
            self._compare()

    @property
    def count(self) -> int:
        """Threads for the next token."""
        if not self._times:
            return self._chosen
        return list(self._times)[self._num_noted // RUN % len(self._times)]

    def note(self, seconds: float) -> None:
        """Take into account how long a token took with `count` threads."""
        if self._times:
            self._times[self.count].append(seconds)
            if self._num_noted == RUN * RUNS * len(self._times):
                self._choose()
            return
        self._rest -= 1
        if self._rest == 0:
            self._compare()

    @property
    def _num_noted(self) -> int:
        return sum(map(len, self._times.values()))

    def _compare(self) -> None:
        counts = [count for count in self._counts if count <= self._free] or self._counts[-1:]
        self._chosen = min(self._chosen, counts[0])
        at = counts.index(self._chosen)
        self._times = {count: [] for count in counts[max(0, at - 1) : at + 2]}

    def _choose(self) -> None:
        medians = {count: statistics.median(times) for count, times in self._times.items()}
        best = min(medians, key=lambda count: medians[count])
        if medians[best] < GAIN * medians[self._chosen]:
            self._chosen = best
            self._compare()  # the next half may be faster still
        else:
            self._rest, self._times = REST, {}


def num_cores() -> int:
    """Physical ones that this process may use, or fewer if OMP_NUM_THREADS says so, as for torch.

    Two threads on one core are slower than one.
    """
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    told = os.environ.get("OMP_NUM_THREADS", "")
    limits = [allowed, psutil.cpu_count(logical=False), int(told) if told.isdigit() else None]
    return min((limit for limit in limits if limit), default=1)


def _halved(most: int) -> list[int]:
    counts = [most]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    return counts
