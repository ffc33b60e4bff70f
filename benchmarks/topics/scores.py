"""How well groups agree with the topics that a person has given."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scores:
    precision: float  # of the pairs that are put together: how many belong together
    recall: float  # of the pairs that belong together: how many are put together
    rand: float  # adjusted Rand index: 0 by chance, 1 for the same groups
    v_measure: float  # harmonic mean of homogeneity and completeness

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def score(topics: Sequence[Hashable], groups: Sequence[Hashable]) -> Scores:
    """Takes each question's topic, and the group that it was put into."""
    import numpy as np

    sides = [np.unique(_numbered(each), return_inverse=True)[1] for each in (topics, groups)]
    counts = np.zeros([side.max() + 1 for side in sides])
    np.add.at(counts, tuple(sides), 1)
    of_topics, of_groups = counts.sum(1), counts.sum(0)
    belong, are, right = _pairs(of_topics), _pairs(of_groups), _pairs(counts)
    chance = belong * are / _pairs(counts.sum())
    most = (belong + are) / 2
    return Scores(
        precision=right / are if are else 0.0,
        recall=right / belong if belong else 0.0,
        rand=(right - chance) / (most - chance) if most != chance else 1.0,
        v_measure=_v_measure(counts),
    )


def _numbered(names: Sequence[Hashable]) -> list[int]:
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [known[name] for name in names]


def _pairs(counts: Any) -> float:
    return float((counts * (counts - 1) / 2).sum())


def _v_measure(counts: Any) -> float:
    topics, groups = _entropy(counts.sum(1)), _entropy(counts.sum(0))
    both = _entropy(counts.ravel())
    shared = topics + groups - both
    return 2 * shared / (topics + groups) if topics + groups else 1.0


def _entropy(counts: Any) -> float:
    import numpy as np

    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
