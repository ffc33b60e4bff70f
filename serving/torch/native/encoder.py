"""Adapters encoded by compiled code (cpp/encode.hpp)."""

import ctypes
from collections.abc import Sequence
from typing import Any

from finetune.adapters.weights import LoraPair
from serving.torch.architecture import GROUPS, Architecture
from serving.torch.encoder import EncodedAdapter
from serving.torch.linear import GRANULE, Int8
from serving.torch.lora_weights import LoraWeights

from .library import Library
from .structures import CModule


class NativeEncoder:
    """What `Encoder.load` encodes with if it is there."""

    def __init__(self, library: Library, architecture: Architecture, kind: Int8) -> None:
        self._library = library
        self._shapes = architecture.projections
        self._num_layers = architecture.num_layers
        self._kind = kind

    def encode(self, weights: LoraWeights) -> EncodedAdapter:
        """Raises MemoryError."""
        import torch

        groups, count = weights.groups, weights.num_granules
        rows = [self._rows(group, count) if group in groups else None for group in GROUPS]
        ups = {name: self._up(name, count) for name in weights.projections}
        largest = torch.empty(len(weights.pairs))
        kept: list[Any] = []
        modules: list[CModule] = []
        for index, ((layer, name), pair) in enumerate(weights.pairs.items()):
            group, part = PARTS[name]
            begin = part * GRANULE
            own = (each[layer, begin:] for each in rows[group] or ())
            targets = (*own, ups[name][layer], largest[index:])
            modules.append(_module(pair, targets, len(GROUPS[group]) * GRANULE, kept))
        self._library.encode(modules, self._kind.limit)
        return EncodedAdapter(
            count,
            weights.matched,
            tuple(rows),
            tuple(tuple(ups.get(name) for name in group) for group in GROUPS),
            dict(zip(weights.pairs, largest.tolist(), strict=True)),
            self._kind,
        )

    def _rows(self, group: Sequence[str], count: int) -> tuple[Any, Any]:
        """A of all parts and its scales."""
        import torch

        height, inputs = count * len(group) * GRANULE, self._shapes[group[0]][1]
        return (
            _zeros((self._num_layers, height, inputs), torch.int8),
            _zeros((self._num_layers, height), torch.float32),
        )

    def _up(self, name: str, count: int) -> Any:
        import torch

        return _zeros((self._num_layers, count, GRANULE, self._shapes[name][0]), torch.int8)


def _zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros, written by this thread alone: with torch.zeros it would have a team of OpenMP's, which
    disturbs the engine's."""
    import torch

    tensor = torch.empty(shape, dtype=dtype)
    ctypes.memset(tensor.data_ptr(), 0, tensor.nbytes)
    return tensor


PARTS = {
    name: (group, part) for group, names in enumerate(GROUPS) for part, name in enumerate(names)
}


def _module(pair: LoraPair, targets: Sequence[Any], stride: int, kept: list[Any]) -> CModule:
    """targets: where A's numbers and scales, B's numbers and the largest of all go."""
    import torch

    types = [torch.float32, torch.float16, torch.bfloat16]
    sides = [pair.a, pair.b]
    if pair.a.dtype != pair.b.dtype or pair.a.dtype not in types:
        sides = [side.float() for side in sides]
    sides = [side.contiguous() for side in sides]
    kept += sides
    rows, scales, up, largest = (target.data_ptr() for target in targets)
    return CModule(
        *(side.data_ptr() for side in sides),
        *(rows, scales, up, largest),
        pair.factor,
        *(pair.rank, sides[0].shape[1], len(sides[1])),
        stride,
        types.index(sides[0].dtype),
    )
