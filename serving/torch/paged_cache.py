"""Keys and values in blocks: block b of a layer is the slots from b · 16 on."""

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
        import torch

        shape = (num_blocks * BLOCK, architecture.num_kv_heads, architecture.head_dim)
        # Zeros: what was never written is masked, but must not be NaN. Memory is taken by the
        # system when a block is first written.
        self.layers = [
            (
                torch.zeros(shape, dtype=dtype, device=device),
                torch.zeros(shape, dtype=dtype, device=device),
            )
            for _ in range(architecture.num_layers)
        ]
