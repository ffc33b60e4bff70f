"""The shapes that are measured, and what a token of theirs costs at the least."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from benchmarks.random_base import LLAMA_2_7B
from benchmarks.serving.peak import halves_of, products_per_layer
from benchmarks.tuning.tiny import SIZES as TINY
from finetune.bases.shape import Shape
from finetune.hardware import Precision
from serving.torch.cost import read_bytes
from serving.torch.paged_cache import bytes_per_block

TINY_LLAMA: dict[str, int] = {
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
}
SHAPES: dict[str, Mapping[str, int]] = {"tiny": TINY, "1.1b": TINY_LLAMA, "7b": LLAMA_2_7B}
GIB = 1 << 30


def split_name(size: str) -> tuple[str, Precision]:
    """The shape's name, and what its weights are held in, as in 7b:int4; int8 if it says none.
    Raises ValueError."""
    name, _, held = size.partition(":")
    held = held or "int8"
    if name not in SHAPES or held not in ("int8", "int4"):
        raise ValueError(f"{size!r}; choose of {', '.join(SHAPES)}, with or without :int4")
    return name, held


def shape_of(name: str) -> Shape:
    """Sizes as the rest of the program knows them."""
    found = Shape.of_config({"model_type": "llama", **SHAPES[name]})
    assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class Least:
    """What serving a shape holds and computes, were nothing lost."""

    shape: Shape
    precision: Precision

    @classmethod
    def of(cls, size: str) -> Self:
        name, precision = split_name(size)
        return cls(shape_of(name), precision)

    @property
    def weight_bytes(self) -> float:
        """What one stream reads for each token."""
        return read_bytes(self.shape, self.precision)

    def cache_bytes(self, num_tokens: int) -> int:
        """The bytes of keys and values, in blocks."""
        import torch

        block = bytes_per_block(self.shape, torch.float16)
        return -(-num_tokens // 16) * block

    def products_of_a_prompt(self, kernel: str) -> int:
        """Products of two numbers for one of its tokens, which need no product with the
        vocabulary."""
        layer = products_per_layer(self.shape.projections, halves_of(kernel))
        return self.shape.num_layers * layer
