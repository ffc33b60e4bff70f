"""Eager attention over a paged cache: decoding rows in groups, a prompt's chunk on its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from serving.requests.sequence import BLOCK

from .step import Span, bucket


@dataclass(frozen=True, slots=True)
class Group:
    """Decoding rows, tokens `begin` to before `end`, that attend together."""

    begin: int
    end: int
    table: Any  # [rows, blocks]
    length: Any  # [rows]: tokens that each one sees, its own among them

    def attend(self, queries: Any, keys: Any, values: Any, window: int | None) -> Any:
        """Blocks are copied together; rows of fewer ones are padded."""
        import torch

        offsets = torch.arange(BLOCK, device=self.table.device)
        slots = (self.table[:, :, None] * BLOCK + offsets).flatten(1)
        positions = torch.arange(slots.shape[1], device=slots.device)
        length = self.length[:, None]
        visible = positions < length
        if window is not None:
            visible &= positions >= length - window
        k, v = (cache[slots].transpose(1, 2).to(queries.dtype) for cache in (keys, values))
        attended = torch.nn.functional.scaled_dot_product_attention(
            queries[:, :, None], k, v, attn_mask=visible[:, None, None], enable_gqa=True
        )
        return attended.flatten(1)


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """Tokens `begin` to before `end` of one prompt."""

    begin: int
    end: int
    slots: Any  # [context] where the prompt's tokens are cached, from its first to this chunk's end

    def attend(self, queries: Any, keys: Any, values: Any, window: int | None) -> Any:
        import torch

        count, context = len(queries), len(self.slots)
        chosen = (cache.index_select(0, self.slots).to(queries.dtype) for cache in (keys, values))
        k, v = (cached.transpose(0, 1)[None] for cached in chosen)
        mask = None
        if count < context or window is not None:
            positions = torch.arange(context, device=self.slots.device)
            last = positions[context - count :, None]
            mask = positions <= last
            if window is not None:
                mask &= positions > last - window
        attended = torch.nn.functional.scaled_dot_product_attention(
            queries.transpose(0, 1)[None],
            k,
            v,
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=True,
        )
        return attended[0].transpose(0, 1).flatten(1)


def contexts(spans: Sequence[Span], device: str) -> list[Group | PromptChunk]:
    """Who attends together, in the order of the step's tokens."""
    import torch

    rows = [span for span in spans if span.end - span.begin == 1]
    groups = [
        _group(list(members), device)
        for _, members in groupby(rows, key=lambda span: bucket(span.blocks))
    ]
    chunks = [
        PromptChunk(span.begin, span.end, torch.tensor(span.slots(0), device=device))
        for span in spans
        if span.end - span.begin > 1
    ]
    return [*groups, *chunks]


def _group(rows: list[Span], device: str) -> Group:
    import torch

    width = max(len(span.blocks) for span in rows)
    table = [span.blocks + [0] * (width - len(span.blocks)) for span in rows]
    lengths = [span.context for span in rows]
    return Group(
        rows[0].begin,
        rows[-1].end,
        torch.tensor(table, device=device),
        torch.tensor(lengths, device=device),
    )
