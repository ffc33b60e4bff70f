"""What a run will do, decided before it starts: rates, epochs, and every step's rows.

The order of the rows is a function of the seed alone, so an interrupted run can go on where it
stopped.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from data.wording import _

from .config import TrainConfig

# From a step's rows and the log-likelihoods of their answers [nats]: the loss, and its derivative
# by each row's summed loss.
Judge = Callable[[Sequence[Any], Sequence[float]], tuple[float, list[float]]]

# Epochs by number of training conversations, up to and including. Small sets overfit with more,
# underfit with fewer.
EPOCHS = ((50, 10), (200, 6), (500, 4), (1000, 3))
BATCH_SIZES = ((199, 4), (999, 8))
# A few corrections are seen again and again, beside as many old rows, until they are learned; how
# well that goes on the default base, docs/going-on.md says.
CORRECTION_EPOCHS = 40  # at the most
CORRECTION_RATE = 1.0  # of the usual one
CORRECTION_EVALS = 3  # in all: they choose nothing
FEWEST_OLD = 3  # rows in an epoch


@dataclass(frozen=True, slots=True)
class Plan:
    """The resolved run."""

    learning_rate: float  # peak
    dropout: float
    epochs: int
    batch_size: int  # [conversations] per optimizer step
    warmup_steps: int
    windows: tuple[tuple[int, ...], ...]  # the rows of every optimizer step
    eval_steps: frozenset[int]  # evaluate after these steps, counted from 1
    num_tokens: int  # over all steps
    # The first ones of the rows. Training ends where all of them are learned, and keeps the last
    # weights, not those that predict best what is held out.
    num_corrections: int = 0
    check_steps: frozenset[int] = frozenset()  # look after these steps whether they are

    @property
    def num_steps(self) -> int:
        return len(self.windows)

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then cosine to 0; steps count from 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        rest = max(1, self.num_steps - self.warmup_steps)
        return (
            self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - self.warmup_steps) / rest))
        )


def make_plan(
    config: TrainConfig, row_tokens: Sequence[int], hidden_size: int, num_corrections: int = 0
) -> Plan:
    """Fill in what the config leaves open. `row_tokens` are the training rows' lengths; where the
    first ones are corrections, every epoch has them all, and as many others in turn."""
    num_rows = len(row_tokens)
    by_size = CORRECTION_EPOCHS if num_corrections else default_epochs(num_rows)
    epochs = config.epochs or by_size
    batch_size = config.batch_size or _by_size(BATCH_SIZES, num_rows, 16)
    orders = _orders(config.seed, epochs, num_rows, num_corrections)
    windows = _windows(orders, batch_size, row_tokens, config.max_training_tokens)
    per_epoch = math.ceil(len(orders[0]) / batch_size)
    every = max(1, round(per_epoch / config.evals_per_epoch))
    every = math.ceil(len(windows) / CORRECTION_EVALS) if num_corrections else every
    evals = {*range(every, len(windows), every), len(windows)}
    dropout = config.dropout if config.dropout is not None else 0.1 if num_rows < 300 else 0.05
    usual = default_learning_rate(hidden_size) * (CORRECTION_RATE if num_corrections else 1)
    return Plan(
        learning_rate=(config.learning_rate or usual) * config.learning_rate_multiplier,
        dropout=dropout,
        epochs=epochs,
        batch_size=batch_size,
        warmup_steps=min(len(windows), max(3, round(config.warmup_ratio * len(windows)))),
        windows=tuple(windows),
        eval_steps=frozenset(evals),
        num_tokens=sum(row_tokens[row] for window in windows for row in window),
        num_corrections=num_corrections,
        check_steps=frozenset(range(per_epoch, len(windows), per_epoch) if num_corrections else ()),
    )


def origins_of(config: TrainConfig, num_rows: int, num_corrections: int = 0) -> dict[str, str]:
    """Why the plan has chosen what the config leaves open."""
    by_rows = _("size rule: {count} conversations").format(count=num_rows)
    few = _("{count} corrections").format(count=num_corrections)
    chosen = {
        "learning_rate": few if num_corrections else _("size rule: the base's width"),
        "dropout": by_rows,
        "epochs": few if num_corrections else by_rows,
        "batch_size": by_rows,
    }
    open_ones = {key: why for key, why in chosen.items() if getattr(config, key) is None}
    if config.alpha is None:
        open_ones["alpha"] = _("twice the rank")
    share = _("{share:.0%} of the steps, at least 3").format(share=config.warmup_ratio)
    return {**open_ones, "warmup_steps": share}


def default_epochs(num_rows: int) -> int:
    return _by_size(EPOCHS, num_rows, 2)


def default_learning_rate(hidden_size: int) -> float:
    """LoRA's rate by the model's width: 5e-4·(2000/hidden)^0.781, within [1e-4, 1e-3].

    The exponent is tinker-cookbook's for LLaMA models (hyperparam_utils).
    """
    return min(1e-3, max(1e-4, 5e-4 * (2000 / hidden_size) ** 0.781))


def _orders(seed: int, epochs: int, num_rows: int, num_corrections: int) -> list[list[int]]:
    """Each epoch's rows in an order of its own: all of them; or the corrections and as many others,
    which take turns."""
    others = range(num_corrections, num_rows)
    share = min(max(num_corrections, FEWEST_OLD), len(others))
    orders: list[list[int]] = []
    for epoch in range(epochs):
        order = [*range(num_rows)]
        if num_corrections:
            turns = (others[(epoch * share + at) % len(others)] for at in range(share))
            order = [*range(num_corrections), *turns]
        random.Random(f"{seed}:{epoch}").shuffle(order)
        orders.append(order)
    return orders


def _windows(
    orders: Sequence[Sequence[int]],
    batch_size: int,
    row_tokens: Sequence[int],
    max_tokens: int | None,
) -> list[tuple[int, ...]]:
    """The epochs one after the other, cut before the token limit is passed."""
    windows: list[tuple[int, ...]] = []
    total = 0
    for order in orders:
        for start in range(0, len(order), batch_size):
            window = tuple(order[start : start + batch_size])
            total += sum(row_tokens[row] for row in window)
            if windows and max_tokens is not None and total > max_tokens:
                return windows
            windows.append(window)
    return windows


def _by_size(table: Sequence[tuple[int, int]], size: int, otherwise: int) -> int:
    return next((value for limit, value in table if size <= limit), otherwise)
