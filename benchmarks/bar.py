"""One thing that is to be reached, and whether it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from .markdown import number, table


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    limit: float
    value: float | None  # None: not measured
    is_most: bool = False  # whether the limit is the most that it may be, not the least
    unit: str = "×"

    @property
    def is_passed(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.limit if self.is_most else self.value >= self.limit


def bars_table(bars: Sequence[Bar]) -> str:
    def row(bar: Bar) -> list[str]:
        limit = f"{'≤' if bar.is_most else '≥'} {bar.limit:g}{bar.unit}"
        verdict = {True: "pass", False: "**fail**", None: "not measured"}[bar.is_passed]
        return [bar.name, limit, number(bar.value, 2, bar.unit), verdict]

    return table(("what", "needed", "measured", ""), map(row, bars))
