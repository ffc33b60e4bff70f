"""Judges weigh the rows of a step: how much each answer is to become likelier, or less likely.

A loss of preferences depends on whole answers, and a step's answers do not fit into one pass. So
their log-likelihoods are computed first, without a gradient; from them a judge has the loss and its
derivative by each answer's, with which the rows are then learned from in micro-batches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .losses import dpo, examples, kto
from .rows import JudgedRow, Part

EXAMPLES_WEIGHT = 1.0  # of the preferred answers as examples: without it, DPO unlearns them

Found = tuple[float, list[float]]


@dataclass(frozen=True, slots=True)
class DpoJudge:
    """DPO and, beside it, the preferred answers as examples. Pairs stand side by side."""

    beta: float
    # By the token: at a beta of 0.1 pairs then weigh a twentieth of what examples weigh, at most.
    by_length: bool = False

    def __call__(self, rows: Sequence[JudgedRow], log_likelihoods: Sequence[float]) -> Found:
        import torch

        preferred, other = _places(rows, "preferred"), _places(rows, "other")
        lengths = tuple(
            torch.tensor([rows[i].num_trained for i in each]) for each in (preferred, other)
        )

        def loss(own: Any, above: Any) -> Any:
            told = dpo(
                above[preferred],
                above[other],
                self.beta,
                (lengths[0], lengths[1]) if self.by_length else None,
            )
            learned = examples(own[preferred], int(lengths[0].sum()))
            return told + EXAMPLES_WEIGHT * learned

        return _weigh(loss, rows, log_likelihoods)


@dataclass(frozen=True, slots=True)
class KtoJudge:
    """KTO; `weights` are those of good answers and of bad ones."""

    beta: float
    weights: tuple[float, float]

    def __call__(self, rows: Sequence[JudgedRow], log_likelihoods: Sequence[float]) -> Found:
        good, bad, mismatched = (
            _places(rows, part) for part in ("preferred", "other", "mismatched")
        )

        def loss(_own: Any, above: Any) -> Any:
            return kto(above[good], above[bad], above[mismatched], self.beta, self.weights)

        return _weigh(loss, rows, log_likelihoods)


def balance(num_good: int, num_bad: int) -> tuple[float, float]:
    """The weights with which good and bad answers count alike: the rarer ones more than one."""
    if not num_good or not num_bad:
        return 1.0, 1.0
    return max(1.0, num_bad / num_good), max(1.0, num_good / num_bad)


def _places(rows: Sequence[JudgedRow], part: Part) -> list[int]:
    return [i for i, row in enumerate(rows) if row.part == part]


def _weigh(
    loss: Callable[[Any, Any], Any], rows: Sequence[JudgedRow], log_likelihoods: Sequence[float]
) -> Found:
    """The loss, and its derivative by the negative of each log-likelihood."""
    import torch

    own = torch.tensor(log_likelihoods, dtype=torch.float64, requires_grad=True)
    value = loss(own, own - own.new_tensor([row.reference for row in rows]))
    value.backward()
    assert own.grad is not None
    return value.item(), (-own.grad).tolist()
