"""A step's plan as the tensors that the decoder takes.

The tokens lie flat, decoding rows first (those of similar length side by side), then the chunks
of prompts:

    token      0 | 1 | 2 | 3 | 4 5 6 7 8 | 9 10 11
    span       0   1   2   3       4          5
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from serving.requests.sequence import BLOCK

from .scheduler import Chunk

Granules = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive tokens of one sequence: `begin` to before `end` in the step."""

    begin: int
    end: int
    start: int  # the first one's position in its sequence
    blocks: list[int]  # of the sequence

    @property
    def context(self) -> int:
        """Tokens that the last one sees, itself among them."""
        return self.start + self.end - self.begin

    def slots(self, start: int) -> list[int]:
        """Where the cache has the sequence's tokens from position `start` to the last one."""
        return [self.blocks[at // BLOCK] * BLOCK + at % BLOCK for at in range(start, self.context)]


@dataclass(frozen=True, slots=True)
class Step:
    token_ids: Any  # [T]
    positions: Any  # [T]
    slots: Any  # [T] of the cache, to write to
    granules: Any  # [T, K]
    scales: Any  # [T, K]
    num_granules: int  # the first ones, among which all of `granules` are; 0: no adapters
    spans: list[Span]
    sampled: Any  # [sampled] tokens whose logits are wanted


def order(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Chunks as a step has them: decoding rows by length, those of one adapter together, then
    prompts."""
    return sorted(chunks, key=_place)


def build_step(
    chunks: Sequence[Chunk], granules_of: Callable[[Chunk], Granules], dtype: Any, device: str
) -> Step:
    """`chunks` as `order` returns them."""
    import torch

    def tensor(values: Any) -> Any:
        return torch.tensor(values, device=device)

    ends = list(accumulate((chunk.count for chunk in chunks), initial=0))
    spans = [
        Span(begin, end, chunk.start, chunk.sequence.blocks)
        for chunk, begin, end in zip(chunks, ends[:-1], ends[1:], strict=True)
    ]
    granules, scales = _spread([granules_of(chunk) for chunk in chunks])
    counts = tensor([chunk.count for chunk in chunks])
    return Step(
        token_ids=tensor([t for c in chunks for t in c.sequence.token_ids[c.start : c.end]]),
        positions=tensor([p for span in spans for p in range(span.start, span.context)]),
        slots=tensor([slot for span in spans for slot in span.slots(span.start)]),
        granules=tensor(granules).repeat_interleave(counts, 0),
        scales=tensor(scales).to(dtype).repeat_interleave(counts, 0),
        num_granules=at_least(max(max(row) for row in granules) + 1),
        spans=spans,
        sampled=tensor(
            [end - 1 for chunk, end in zip(chunks, ends[1:], strict=True) if chunk.is_last]
        ).long(),
    )


def _place(chunk: Chunk) -> tuple[bool, int, tuple[str, ...]]:
    return chunk.count > 1, bucket(chunk.sequence.blocks), chunk.sequence.tenant


def bucket(blocks: Sequence[int]) -> int:
    """Decoding rows of a bucket attend together, padded to at most twice their length; short ones
    all do."""
    return at_least(max(8, len(blocks)))


def _spread(rows: list[Granules]) -> tuple[list[list[int]], list[list[float]]]:
    """Rows of equal width: a granule with scale 0 adds nothing."""
    width = at_least(max(1, *(len(row) for row in rows)))
    padded = [row + [(0, 0.0)] * (width - len(row)) for row in rows]
    return [[g for g, _ in row] for row in padded], [[s for _, s in row] for row in padded]


def at_least(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()
