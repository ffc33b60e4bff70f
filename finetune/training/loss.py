"""How well a model predicts the answers: negative log-likelihood of the trained tokens alone."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from data.chat import Rendered
from finetune.kernels.batch import Batch, collate, pack
from finetune.kernels.padded import token_losses


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """Summed loss and trained tokens of each row."""

    sums: tuple[float, ...]  # [nats]
    counts: tuple[int, ...]  # [tokens]

    @property
    def per_token(self) -> float:
        """Mean negative log-likelihood of an answer's token, in nats."""
        return sum(self.sums) / sum(self.counts)


def answer_loss(
    model: Any,
    rows: Sequence[Rendered],
    max_tokens: int,
    device: str,
    losses: Callable[[Batch], Any] | None = None,
    on_read: Callable[[int], None] | None = None,
) -> AnswerLoss:
    """Evaluate `rows` in packed batches of at most `max_tokens`, without dropout; by `losses` where
    the model has a way of its own. `on_read` is told each batch's tokens."""
    import torch

    losses = losses or partial(token_losses, model)

    sums: list[float] = []
    counts: list[int] = []
    with torch.no_grad(), without_dropout(model):
        for group in pack(rows, max_tokens):
            batch = collate(group).to(device)
            totals = torch.zeros(len(group), device=device)
            totals.index_add_(0, batch.row_of, losses(batch))
            sums += totals.tolist()
            counts += [row.num_trained for row in group]
            if on_read is not None:
                on_read(sum(len(row.token_ids) for row in group))
    return AnswerLoss(tuple(sums), tuple(counts))


def count_sure(
    model: Any,
    rows: Sequence[Rendered],
    max_tokens: int,
    device: str,
    losses: Callable[[Batch], Any],
) -> int:
    """The rows of which every trained token is likelier than all others together: asked with
    temperature 0, the model answers them word for word."""
    import torch

    num_sure = 0
    with torch.no_grad(), without_dropout(model):
        for group in pack(rows, max_tokens):
            batch = collate(group).to(device)
            unsure = batch.row_of[losses(batch) >= math.log(2)].unique()
            num_sure += len(group) - len(unsure)
    return num_sure


@contextmanager
def without_dropout(model: Any) -> Generator[None]:
    """Switch dropout off, and nothing else.

    `model.eval()` would do more: on a CPU with AVX512_BF16, bitsandbytes repacks the 4-bit
    weights of a model in evaluation mode, and back again for the next training step.
    """
    import torch

    dropouts = [m for m in model.modules() if isinstance(m, torch.nn.Dropout) and m.training]
    for module in dropouts:
        module.eval()
    try:
        yield
    finally:
        for module in dropouts:
            module.train()
