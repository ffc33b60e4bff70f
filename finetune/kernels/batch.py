"""Rendered conversations laid end to end for one pass of the model, without padding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.chat import Rendered

from .beginnings import Beginning, common_beginnings
from .dropout import Layout


@dataclass(frozen=True, slots=True)
class TaughtRow(Rendered):
    """A row that is to be answered as a teacher answers it, surely or not."""

    hidden: Any  # [trained, width] the teacher's last hidden states where tokens are trained


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows laid end to end; positions begin anew at each, and attention never crosses rows.

    ids:       [ row 0 … | row 1 …   | row 2 … ]   shape [1, tokens]
    positions: [ 0 1 2 … | 0 1 2 3 … | 0 1 …   ]   shape [1, tokens]
    """

    input_ids: Any
    position_ids: Any
    predicting: Any  # [trained] indices whose logits predict a trained token
    labels: Any  # [trained] those tokens
    weights: Any  # [trained] float32: 1, or the prompt's weight
    row_of: Any  # [trained] which row each belongs to
    is_taught: Any  # [trained] whether a teacher says what comes, and not the label
    taught: Any  # [of these, width] the teacher's last hidden states
    beginnings: Sequence[Beginning]  # of the rows; see shared.py
    layout: Layout

    def to(self, device: str) -> "Batch":
        own = {name: getattr(self, name) for name in self.__slots__}
        moved = {name: each.to(device) for name, each in own.items() if hasattr(each, "to")}
        return replace(self, **moved)


def pack(rows: Sequence[Rendered], max_tokens: int) -> list[list[Rendered]]:
    """Group rows, in order, so that each group has at most `max_tokens` or is a single row."""
    groups: list[list[Rendered]] = []
    room = 0
    for row in rows:
        if not groups or len(row.token_ids) > room:
            groups.append([])
            room = max_tokens
        groups[-1].append(row)
        room -= len(row.token_ids)
    return groups


def collate(
    rows: Sequence[Rendered],
    seeds: Sequence[int] | None = None,
    prompt_weight: float = 0.0,
    beginnings: Sequence[Beginning] | None = None,
) -> Batch:
    """`seeds` decide each row's dropout. With a prompt weight, tokens that are not trained count
    too, by that much. `beginnings`: what rows of a step have in common, of which these are some."""
    import torch

    seeds = seeds or [0] * len(rows)
    ids: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    weights: list[float] = []
    row_of: list[int] = []
    taught = [row.hidden for row in rows if isinstance(row, TaughtRow)]
    for number, row in enumerate(rows):
        counted = [
            i for i, is_trained in enumerate(row.trained) if i and (is_trained or prompt_weight)
        ]
        predicting += [len(ids) + i - 1 for i in counted]
        weights += [1.0 if row.trained[i] else prompt_weight for i in counted]
        row_of += [number] * len(counted)
        positions += range(len(row.token_ids))
        ids += row.token_ids
    return Batch(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        predicting=torch.tensor(predicting),
        labels=torch.tensor([ids[i + 1] for i in predicting]),
        weights=torch.tensor(weights),
        row_of=torch.tensor(row_of),
        is_taught=torch.tensor([isinstance(rows[i], TaughtRow) for i in row_of]).bool(),
        taught=torch.cat(taught) if taught else torch.empty(0),
        beginnings=common_beginnings(rows, seeds) if beginnings is None else beginnings,
        layout=Layout(tuple(len(row.token_ids) for row in rows), tuple(seeds)),
    )
