"""The losses of a causal model of any family, computed by the model's own code on padded rows.

Rows laid end to end rely on a family's masks and positions, which not every one has. Rows that lie
one beneath the other, with padding behind them, are right wherever tokens see none after them.
"""

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .batch import Batch


@dataclass(frozen=True, slots=True)
class Padded:
    """Rows of a batch that are of much the same length.

    ids:     [ row 0 … pad | row 3 … | row 4 … pad pad ]   shape [rows, longest]
    """

    ids: Any
    mask: Any  # [rows, longest] 1, or 0 for padding
    trained: Any  # which of the batch's trained tokens these rows have
    places: Any  # [of these] where the ids, flat, have what predicts them


def token_losses(model: Any, batch: Batch) -> Any:
    """The loss of every trained token, shape [trained], in float32 and with its gradient: to its
    label, or to what a teacher says."""
    parts = pad(batch)
    return _in_order(parts, [_losses(model, batch, part) for part in parts])


def last_hidden(model: Any, batch: Batch) -> Any:
    """What the head turns into logits, of every trained token: [trained, width]."""
    parts = pad(batch)
    found: list[Any] = []
    for part in parts:
        with _reading(model, part, batch.taught[:0]) as read:
            _forward(model, part)
        found += read
    return _in_order(parts, found)


def pad(batch: Batch) -> list[Padded]:
    """All rows of a batch; the shortest of a part has more than half as many tokens as its longest,
    so that padding costs less than the rows themselves."""
    alike: dict[int, list[int]] = defaultdict(list)
    for row, length in enumerate(batch.layout.lengths):
        alike[length.bit_length()].append(row)
    return [_pad(batch, rows) for rows in alike.values()]


def _pad(batch: Batch, rows: Sequence[int]) -> Padded:
    import torch

    lengths = batch.layout.lengths
    ids = batch.input_ids[0].split(lengths)
    chosen = [ids[row] for row in rows]
    longest = max(lengths[row] for row in rows)
    shifts = torch.zeros(len(lengths), dtype=torch.long)  # of a row's first token
    for place, row in enumerate(rows):
        shifts[row] = place * longest - sum(lengths[:row])
    shifts = shifts.to(batch.row_of.device)
    (trained,) = torch.isin(batch.row_of, torch.tensor(rows).to(shifts.device)).nonzero(
        as_tuple=True
    )
    return Padded(
        ids=_stacked(chosen),
        mask=_stacked([torch.ones_like(row) for row in chosen]),
        trained=trained,
        places=batch.predicting[trained] + shifts[batch.row_of[trained]],
    )


def _stacked(rows: Sequence[Any]) -> Any:
    import torch

    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def _losses(model: Any, batch: Batch, part: Padded) -> Any:
    import torch

    is_taught = batch.is_taught[part.trained]
    ranks = batch.is_taught.cumsum(0) - 1
    taught = batch.taught[ranks[part.trained][is_taught]] if is_taught.any() else batch.taught[:0]
    with _reading(model, part, taught):
        logits = _forward(model, part)[0].float()
    own, expected = logits.split([len(part.trained), len(taught)])
    labels = batch.labels[part.trained]
    losses = torch.nn.functional.cross_entropy(own, labels, reduction="none")
    if not len(taught):
        return losses
    said, expected = own[is_taught].log_softmax(-1), expected.log_softmax(-1)
    return losses.masked_scatter(is_taught, (expected.exp() * (expected - said)).sum(-1))


def _forward(model: Any, part: Padded) -> Any:
    return model(input_ids=part.ids, attention_mask=part.mask, use_cache=False).logits


@contextmanager
def _reading(model: Any, part: Padded, taught: Any) -> Generator[list[Any]]:
    """Have the head read what predicts a trained token, then what is taught, and nothing else: all
    that the model does to its own logits is done to a teacher's. Gives what it has read of its own.

    read:    [ trained | taught ]      shape [1, trained + taught, width]
    """
    import torch

    read: list[Any] = []

    def choose(_head: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = given[0].flatten(0, 1)[part.places]
        read.append(hidden)
        return (torch.cat([hidden, taught.to(hidden)])[None], *given[1:])

    hook = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        yield read
    finally:
        hook.remove()


def _in_order(parts: Sequence[Padded], found: Sequence[Any]) -> Any:
    """What was found of each part's trained tokens, as the batch has them."""
    import torch

    return torch.cat(list(found))[torch.cat([part.trained for part in parts]).argsort()]
