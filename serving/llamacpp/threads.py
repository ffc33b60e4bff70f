"""How many threads compute a single token soonest: found by trying, in the work itself.

A step of a small model is a thousand short products, after each of which threads wait for one
another; and a thread that only waits takes time from those that send the answers. With a large
model the products are long, and every core helps.

From 512 cells on, llama.cpp adds up attention in another order for another number of threads, so
the last digits of a token's logits may depend on it, as they do on which cells a sequence has.
"""

import statistics

RUN = 4  # tokens in a row with one number of threads
RUNS = 3  # of each number, in turn: what happens meanwhile happens to all of them
REST = 2000  # tokens from one comparison to the next: a machine's other work comes and goes
GAIN = 0.98  # what another number's time may be at most, times the present one's


class ThreadChoice:
    """Climbs from all threads down by halves, as long as that is faster, and looks again later."""

    def __init__(self, most: int) -> None:
        self.most = most  # for prompts, and for tokens of several requests
        self._counts = _halved(most)
        self._chosen = most
        self._rivals: list[int] = []  # being compared; empty while it rests
        self._times: dict[int, list[float]] = {}
        self._rest = 0
        self._compare()

    @property
    def count(self) -> int:
        """Threads for the next token."""
        if not self._rivals:
            return self._chosen
        num_noted = sum(map(len, self._times.values()))
        return self._rivals[num_noted // RUN % len(self._rivals)]

    def note(self, seconds: float) -> None:
        """Take into account how long a token took with `count` threads."""
        if not self._rivals:
            self._rest -= 1
            if self._rest <= 0:
                self._compare()
            return
        self._times[self.count].append(seconds)
        if all(len(times) == RUN * RUNS for times in self._times.values()):
            self._choose()

    def _compare(self) -> None:
        at = self._counts.index(self._chosen)
        self._rivals = self._counts[max(0, at - 1) : at + 2]
        self._times = {count: [] for count in self._rivals}
        if len(self._rivals) == 1:  # nothing to choose from, ever
            self._rest, self._rivals = 0, []

    def _choose(self) -> None:
        medians = {count: statistics.median(times) for count, times in self._times.items()}
        best = min(self._rivals, key=lambda count: medians[count])
        if medians[best] < GAIN * medians[self._chosen]:
            self._chosen = best
            self._compare()  # the next half may be faster still
        else:
            self._rest, self._rivals = REST, []


def _halved(most: int) -> list[int]:
    counts = [most]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    return counts
