"""Keys and values in blocks: block b of a layer is the slots from b · 16 on."""

import math
from typing import Any

from finetune.bases.shape import Shape
from serving.requests.sequence import BLOCK

from .architecture import Architecture

LINE = 64  # [bytes] of a cache line, at which rows begin


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
    when it is first written; torch.zeros would write all of it."""
    import numpy as np
    import torch

    if device != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    num_bytes = math.prod(shape) * dtype.itemsize
    place = np.zeros(num_bytes + LINE, np.uint8)
    begin = -place.ctypes.data % LINE
    return torch.from_numpy(place[begin : begin + num_bytes]).view(dtype).view(shape)
