"""Keys and values in blocks: block b of a layer is the slots from b · 16 on."""

import math
import mmap
import sys
from typing import Any

from finetune.bases.shape import Shape
from serving.requests.sequence import BLOCK

from .architecture import Architecture


def bytes_per_block(sizes: Architecture | Shape, dtype: Any) -> int:
    width = sizes.num_kv_heads * sizes.head_dim
    return 2 * sizes.num_layers * BLOCK * width * dtype.itemsize


class PagedCache:
    def __init__(
        self, architecture: Architecture, num_blocks: int, dtype: Any, device: str
    ) -> None:
        shape = (num_blocks * BLOCK, architecture.num_kv_heads, architecture.head_dim)
        whole = _zeros((architecture.num_layers, 2, *shape), dtype, device)
        self.layers = [(keys, values) for keys, values in whole]


def _zeros(shape: tuple[int, ...], dtype: Any, device: str) -> Any:
    """Zeros: what was never written is masked, but must not be NaN. On a CPU a block takes memory
    when it is first written; torch.zeros would write all of it, and NumPy asks for pages of 2 MB,
    of which a first token would take one for the keys and one for the values of each layer."""
    import torch

    if device != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if sys.platform != "win32" else {}
    place = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, **private)
    return torch.frombuffer(place, dtype=dtype).view(shape)
