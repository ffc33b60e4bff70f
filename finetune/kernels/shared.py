"""Common beginnings computed once for all their rows.

What stands before a token is all that its layers depend on, so that equal beginnings are equal in
every layer, but for what is dropped: a beginning has one dropout mask, in place of one a row. Its
gradient is the sum over its rows, as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .batch import Batch
from .beginnings import Beginning
from .dropout import NO_PARENT, Layout


def share(batch: Batch) -> Batch:
    """The same with each beginning once, before the first of its rows.

    before: [ system, row 0 | system, row 1 | row 2 ]
    after:  [ system | row 0 | row 1 | row 2 ], where rows 0 and 1 continue the first part
    """
    import torch

    if not any(beginning.length for beginning in batch.beginnings):
        return batch
    parts = Parts()
    layout = batch.layout
    for length, seed, beginning in zip(layout.lengths, layout.seeds, batch.beginnings, strict=True):
        parts.add(length, seed, beginning)
    return replace(
        batch,
        input_ids=batch.input_ids[:, parts.kept],
        position_ids=batch.position_ids[:, parts.kept],
        predicting=torch.tensor(parts.places)[batch.predicting],
        beginnings=(),
        layout=Layout(tuple(parts.lengths), tuple(parts.seeds), tuple(parts.parents)),
    )


@dataclass(slots=True)
class Parts:
    """Beginnings and what is left of the rows, end to end."""

    kept: list[int] = field(default_factory=list[int])  # tokens of the batch, in their new order
    places: list[int] = field(default_factory=list[int])  # of the batch's tokens, among those kept
    lengths: list[int] = field(default_factory=list[int])
    seeds: list[int] = field(default_factory=list[int])
    parents: list[int] = field(default_factory=list[int])
    known: dict[int, int] = field(default_factory=dict[int, int])  # parts, by their group

    def add(self, length: int, seed: int, beginning: Beginning) -> None:
        """The next row of the batch."""
        start, parent = len(self.places), NO_PARENT
        own = range(start + beginning.length, start + length)
        if beginning.length:
            if beginning.group not in self.known:
                self.known[beginning.group] = len(self.lengths)
                self._lay(range(start, own.start), beginning.seed, NO_PARENT)
            parent = self.known[beginning.group]
            first = sum(self.lengths[:parent])
            self.places += range(first, first + beginning.length)
        self.places += range(len(self.kept), len(self.kept) + len(own))
        self._lay(own, seed, parent)

    def _lay(self, tokens: Sequence[int], seed: int, parent: int) -> None:
        self.kept += tokens
        self.lengths.append(len(tokens))
        self.seeds.append(seed)
        self.parents.append(parent)
