"""How sure a number is: 95 % intervals by drawing the rows again, with replacement, many times.

Efron's percentile bootstrap. Rows are drawn whole, since tokens of one answer depend on each other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RESAMPLES = 2000
TOGETHER = 50  # draws at a time: little memory, however many rows
LEVEL = 0.95
SEED = 0  # one for all, so that everything measured on the same rows sees the same draws


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(statistic: Callable[..., float], *columns: Sequence[float]) -> Estimate:
    """Estimate a function of the columns' sums over rows; each column has one number a row.

    >>> estimate(lambda loss, tokens: loss / tokens, [3.0, 5.0], [1, 1]).value
    4.0
    """
    import numpy as np

    table = np.array(columns, dtype=np.float64)  # [columns, rows]
    num_rows = table.shape[1]
    evenly = np.full(num_rows, 1 / num_rows)
    chooser = np.random.default_rng(SEED)
    drawn: list[float] = []
    for _ in range(RESAMPLES // TOGETHER):
        times = chooser.multinomial(num_rows, evenly, size=TOGETHER)  # [draws, rows]
        drawn += [statistic(*sums) for sums in (times @ table.T).tolist()]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(statistic(*table.sum(axis=1).tolist()), float(low), float(high))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """`one - other` where they come of different rows: square-and-add (Zou and Donner 2008)."""
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, value - below, value + above)
