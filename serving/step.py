"""A step's plan as the tensors that the decoder takes.

The tokens lie flat, decoding rows first (those of similar length side by side), then the chunks
of prompts:

    token      0 1 2 | 3 4 | 5 6 7 8 9 | 10 11 12
               group 0  1     chunk 0     chunk 1
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .blocks import BLOCK
from .scheduler import Chunk

Granules = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Group:
    """Decoding rows, tokens `begin` to before `end`, that attend together."""

    begin: int
    end: int
    table: Any  # [rows, blocks]
    length: Any  # [rows]: tokens that each one sees, its own among them

    def context(self, window: int | None) -> tuple[Any, Any, Any]:
        """table, first visible position, length."""
        import torch

        if window is None:
            return self.table, torch.zeros_like(self.length), self.length
        return self.table, (self.length - window).clamp_min(0), self.length


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """Tokens `begin` to before `end` of one prompt."""

    begin: int
    end: int
    slots: Any  # [context] where the prompt's tokens are cached, from its first to this chunk's end


@dataclass(frozen=True, slots=True)
class Step:
    token_ids: Any  # [T]
    positions: Any  # [T]
    slots: Any  # [T] of the cache, to write to
    granules: Any  # [T, K]
    scales: Any  # [T, K]
    num_granules: int  # the first ones, among which all of `granules` are
    groups: list[Group]
    chunks: list[PromptChunk]
    sampled: Any  # [sampled] tokens whose logits are wanted


def order(chunks: Sequence[Chunk]) -> list[Chunk]:
    """As a step has them: decoding rows by length, then prompts."""
    return sorted(chunks, key=lambda chunk: (chunk.count > 1, _bucket(chunk)))


def build_step(
    chunks: Sequence[Chunk], granules_of: Callable[[Chunk], Granules], dtype: Any, device: str
) -> Step:
    """`chunks` as `order` returns them."""
    import torch

    def tensor(values: Any) -> Any:
        return torch.tensor(values, device=device)

    ends = [0]
    for chunk in chunks:
        ends.append(ends[-1] + chunk.count)
    spans = list(zip(chunks, ends[:-1], ends[1:], strict=True))
    granules, scales = _spread([granules_of(chunk) for chunk in chunks])
    counts = tensor([chunk.count for chunk in chunks])
    return Step(
        token_ids=tensor([t for c in chunks for t in c.sequence.token_ids[c.start : c.end]]),
        positions=tensor([p for c in chunks for p in range(c.start, c.end)]),
        slots=tensor([slot for chunk in chunks for slot in _slots(chunk, chunk.start)]),
        granules=tensor(granules).repeat_interleave(counts, 0),
        scales=tensor(scales).to(dtype).repeat_interleave(counts, 0),
        num_granules=at_least(max(max(row) for row in granules) + 1),
        groups=_groups([span for span in spans if span[0].count == 1], tensor),
        chunks=[
            PromptChunk(begin, end, tensor(_slots(chunk, 0)))
            for chunk, begin, end in spans
            if chunk.count > 1
        ],
        sampled=tensor([end - 1 for chunk, _, end in spans if chunk.is_last]).long(),
    )


def _groups(spans: list[tuple[Chunk, int, int]], tensor: Callable[[Any], Any]) -> list[Group]:
    """Rows in one group are padded to its longest: at most to twice their own length."""
    groups: list[Group] = []
    for _, members in groupby(spans, key=lambda span: _bucket(span[0])):
        rows = list(members)
        width = max(len(chunk.sequence.blocks) for chunk, _, _ in rows)
        table = [
            chunk.sequence.blocks + [0] * (width - len(chunk.sequence.blocks))
            for chunk, _, _ in rows
        ]
        lengths = [chunk.end for chunk, _, _ in rows]
        groups.append(Group(rows[0][1], rows[-1][2], tensor(table), tensor(lengths)))
    return groups


def _bucket(chunk: Chunk) -> int:
    """Decoding rows of a bucket attend together; short ones all do."""
    return at_least(max(8, len(chunk.sequence.blocks)))


def _slots(chunk: Chunk, start: int) -> list[int]:
    blocks = chunk.sequence.blocks
    return [blocks[at // BLOCK] * BLOCK + at % BLOCK for at in range(start, chunk.end)]


def _spread(rows: list[Granules]) -> tuple[list[list[int]], list[list[float]]]:
    """Rows of equal width: a granule with scale 0 adds nothing."""
    width = at_least(max(1, *(len(row) for row in rows)))
    padded = [row + [(0, 0.0)] * (width - len(row)) for row in rows]
    return [[g for g, _ in row] for row in padded], [[s for _, s in row] for row in padded]


def at_least(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()
