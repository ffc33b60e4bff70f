"""Whether one of two adapters is better on the same items: a paired test, and what it would take.

The test is Wilcoxon's signed-rank test (1945), one-sided and exact: of all ways to give the gains
their signs, each as likely as another if there is no difference, the share of those that speak as
much for the better one as what was seen. What is expected of more items assumes the relation of a
signed-rank test to a t-test under normal gains (Lehmann 1975, Nonparametrics: 3/pi).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, fmean, stdev
from typing import Any

ALPHA = 0.04  # promotions where there is no difference: one in twenty at most, drawn or reckoned
POWER = 0.8  # promotions at least where the difference is as large as it seems
EFFICIENCY = 3 / math.pi  # of a signed-rank test beside a t-test


def chance_of(gains: Sequence[float]) -> float:
    """The probability of gains that speak as much for being above zero if they are not."""
    import numpy as np

    values = np.array([gain for gain in gains if gain != 0], dtype=np.float64)
    if len(values) == 0:
        return 1.0
    ranks = _doubled_ranks(np.abs(values))
    seen = int(ranks[values > 0].sum())
    return float(_at_least(tuple(sorted(ranks.tolist())))[seen])


def items_needed(gains: Sequence[float], least: float) -> int:
    """How many items would show a mean gain as large as this one, `least` where it is smaller, with
    `POWER`; at the spread of these gains."""
    spread = stdev(gains) if len(gains) > 1 else 0.0
    effect = max(fmean(gains), least) / spread if spread else math.inf
    normal = NormalDist()
    width = normal.inv_cdf(1 - ALPHA) + normal.inv_cdf(POWER)
    return max(1, math.ceil((width / effect) ** 2 / EFFICIENCY))


@lru_cache(maxsize=64)  # without ties the same for all of one number
def _at_least(ranks: tuple[int, ...]) -> Any:
    """The probability of each doubled sum of what is positive, or of a larger one."""
    import numpy as np

    chances = np.zeros(sum(ranks) + 1)
    chances[0] = 1.0
    for rank in ranks:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: len(chances) - rank]
        chances = (chances + shifted) / 2
    return chances[::-1].cumsum()[::-1].clip(max=1.0)


def _doubled_ranks(sizes: Any) -> Any:
    """Twice the rank of each, from 2; those of one size share the mean of theirs."""
    import numpy as np

    _values, which, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (2 * ends - counts + 1)[which]
