"""How long texts are, counted in little memory."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lengths:
    """How many texts are so long, by powers of two: `counts[n]` have 2^(n-1) to 2^n - 1 units."""

    total: int = 0
    largest: int = 0
    counts: Counter[int] = field(default_factory=Counter[int])

    def add(self, length: int) -> None:
        self.total += length
        self.largest = max(self.largest, length)
        self.counts[length.bit_length()] += 1

    @property
    def num_texts(self) -> int:
        return self.counts.total()

    @property
    def mean(self) -> float:
        return self.total / self.num_texts if self.num_texts else 0.0

    def bins(self) -> list[tuple[int, int, int]]:
        """The bins as from, to and how many, without gaps between the first and the last."""
        if not self.counts:
            return []
        numbers = range(min(self.counts), max(self.counts) + 1)
        return [((1 << n) >> 1, (1 << n) - 1, self.counts[n]) for n in numbers]
