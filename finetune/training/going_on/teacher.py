"""What the adapter before says of old conversations: it is what they are trained to, again.

Their labels would be learned by heart, once more in every pass, and what was held out would be
answered worse for it. To learn new things beside what a model itself said of old ones is known as
dark experience replay (Buzzega et al. 2020, arXiv:2004.07211).
"""

from collections.abc import Sequence

from data.chat import Rendered
from finetune.kernels.batch import TaughtRow, collate, pack
from finetune.kernels.choice import Core
from finetune.training.loss import without_dropout


def teach(
    model: Core,
    rows: Sequence[Rendered],
    budget: int,
    device: str,
    prompt_weight: float = 0.0,
) -> list[Rendered]:
    """The rows, each with the model's last hidden states as they are now, [trained, width]; at most
    `budget` tokens are computed at a time."""
    import torch

    taught: list[Rendered] = []
    with torch.no_grad(), without_dropout(model.peft):
        for group in pack(rows, budget):
            batch = collate(group, prompt_weight=prompt_weight).to(device)
            counts = batch.row_of.bincount(minlength=len(group)).tolist()
            hidden = model.hidden(batch).cpu().split(counts)
            taught += [
                TaughtRow(row.token_ids, row.trained, own)
                for row, own in zip(group, hidden, strict=True)
            ]
    return taught
