"""What going on from an adapter has done: to what it held out, and to the corrections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data.chat import Rendered

from .loss import without_dropout
from .rows import collate, pack
from .trainer import Trainer

SURE = math.log(2)  # [nats] under it a token is likelier than all others together


@dataclass(frozen=True, slots=True)
class Continuation:
    """Losses are held-out ones, per answer token, in nats, at training precision."""

    parent: str  # name@version
    loss_before: float
    loss_after: float
    num_corrections: int = 0
    num_learned: int = 0  # of them, that are answered word for word

    @property
    def rise(self) -> float:
        return self.loss_after / self.loss_before - 1


def count_learned(trainer: Trainer, rows: Sequence[Rendered]) -> int:
    """Those of which every token of the answer is likelier than all others together: asked with
    temperature 0, the model gives them word for word."""
    import torch

    num_learned = 0
    with torch.no_grad(), without_dropout(trainer.model):
        for group in pack(rows, trainer.gradients.micro_batch_tokens):
            batch = collate(group).to(trainer.device)
            losses = trainer.lean.token_losses(batch)
            unsure = batch.row_of[losses >= SURE].unique()
            num_learned += len(group) - len(unsure)
    return num_learned
