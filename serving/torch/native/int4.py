"""Weights in four bits by groups of 32 columns, as compiled code has them (cpp/nibbles.hpp)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.torch.linear import Int8, LinearKind, piece_of, pieces

from .library import Library
from .structures import Packed

GROUP = 32  # [columns] that share a scale
PAIR = 2 * GROUP  # [columns] in 32 bytes: the first group's in their lower halves
TILE = 4  # [rows] that are computed together


@dataclass(frozen=True)
class Int4(Int8):
    """A step per row, a scale per group, one of 16 levels. Int8 as before: the adapters' rows, the
    product with the vocabulary, and matrices that are no multiple of a tile."""

    library: Library | None = None  # never None: a default because what is inherited has some

    def of(self, group: int | None) -> LinearKind:
        return Int8(self.limit, self.halves).of(group) if group is None else super().of(group)

    def store(self, parts: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        import torch

        height, width = sum(map(len, parts)), parts[0].shape[1]
        if width % PAIR or height % TILE:
            return super().store(parts)
        packed = Packed(
            torch.empty(height, width // 2, dtype=torch.uint8),
            torch.empty(height, width // GROUP, dtype=torch.int8),
            torch.empty(height, dtype=torch.int32),
            torch.empty(height),
        )
        assert self.library is not None
        for own, values in pieces(parts):
            self.library.pack(values, Packed(*(tensor[own] for tensor in packed)))
        return packed, super().store([parts[0][:0]])[1]

    def split(self, inputs: Any, num_rows: int, *tensors: Any) -> tuple[Any, Any]:
        """The products in floats: slow, to compare compiled code with."""
        import torch

        *fixed, rows, scale = tensors
        if not fixed:
            return super().split(inputs, num_rows, rows, scale)
        weight, count = Packed(*fixed), piece_of(inputs.shape[1])
        parts = [Packed(*own) for own in zip(*(each.split(count) for each in weight), strict=True)]

        def times(whole: Any) -> Any:
            return torch.cat([whole @ self.wide(part).t() for part in parts], dim=1)

        return self.product(inputs, times), super().split(inputs, 0, rows, scale)[1]

    def wide(self, weight: Packed) -> Any:
        """What four bits stand for, [rows, in], in float32."""
        import torch

        assert self.library is not None
        height, width = weight.values.shape
        self.library.unpack(weight, rows := torch.empty(height, 2 * width))
        return rows
