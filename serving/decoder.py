"""The LLaMA-family decoder: one step of tokens, whosever they are, over a paged KV cache.

Lean on purpose: fused projections, flat [tokens, hidden] activations, no module hierarchy. It
knows nothing of requests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .architecture import GROUPS, Architecture
from .checkpoint import Checkpoint
from .layer import LayerMath, attend_chunk, attend_eagerly
from .linear import Kind, Linear
from .paged_cache import PagedCache
from .step import Step

Ups = list[list[tuple[Any, ...]]]
LayerArguments = tuple[tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Layer:
    norms: tuple[Any, Any]  # before attention, before the MLP
    linears: tuple[Linear, ...]  # by GROUPS
    extras: tuple[tuple[Any, ...], tuple[Any, ...]]  # of project_in, of project_out


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a step is computed with: a layer's functions as they stand, or compiled ones."""

    project_in: Callable[..., Any]
    attend: Callable[..., Any]
    project_out: Callable[..., Any]
    head: Callable[..., Any]


class Decoder:
    """Owns the base's weights, and the room for adapters among them."""

    def __init__(
        self,
        folder: Path,
        architecture: Architecture,
        kind: Kind,
        dtype: Any,  # of the activations
        device: str,
    ) -> None:
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

        self.architecture = architecture
        self.kind = kind
        self.dtype = dtype
        self.device = device
        checkpoint = Checkpoint(folder, device)
        self._embedding = checkpoint.read("model.embed_tokens.weight")
        self._norm = checkpoint.read("model.norm.weight").to(dtype)
        self._head = _head(checkpoint, architecture, kind, self._embedding)
        self._rotary = LlamaRotaryEmbedding(architecture.config).to(device)
        self.layers = [self._layer(checkpoint, number) for number in range(architecture.num_layers)]
        self.math = LayerMath(architecture, kind, *flags(checkpoint))
        self.eager = Pieces(
            self.math.project_in, attend_eagerly, self.math.project_out, self.math.head
        )
        self.pieces = self.eager
        self._arguments: dict[int, list[LayerArguments]] = {}

    def forget_arguments(self) -> None:
        """Weights have been moved: what is kept of them must be looked up again."""
        self._arguments.clear()

    def forward(self, step: Step, cache: PagedCache, ups: Ups) -> Any:
        """Compute a step's tokens; returns the logits that it asks for, [sampled, vocabulary].

        ups: the adapters' B by layer and group.
        """
        import torch

        hidden = self._embedding[step.token_ids].to(self.dtype)
        cos, sin = (table[0] for table in self._rotary(hidden, step.positions[None]))
        adapters = (step.granules, step.scales)
        arguments = self._arguments_for(step.num_granules, ups)
        for number, window in enumerate(self.architecture.windows):
            inward, outward = arguments[number]
            keys, values = cache.layers[number]
            queries = self.pieces.project_in(
                hidden, (cos, sin), (step.slots, keys, values), adapters, *inward
            )
            parts = [
                self.pieces.attend(
                    queries[group.begin : group.end], keys, values, *group.context(window)
                )
                for group in step.groups
            ]
            parts += [
                attend_chunk(queries[chunk.begin : chunk.end], keys, values, chunk.slots, window)
                for chunk in step.chunks
            ]
            attended = torch.cat(parts) if len(parts) > 1 else parts[0]
            hidden = self.pieces.project_out(hidden, attended, adapters, *outward)
        wanted = hidden[step.sampled]
        if len(wanted) == 0:
            return wanted.new_empty(0, self.architecture.vocab_size)
        return self.pieces.head(wanted, self._norm, self._head.inputs(0))

    def _arguments_for(self, num_granules: int, ups: Ups) -> list[LayerArguments]:
        if num_granules not in self._arguments:
            self._arguments[num_granules] = [
                _layer_arguments(layer, own, num_granules)
                for layer, own in zip(self.layers, ups, strict=True)
            ]
        return self._arguments[num_granules]

    def _layer(self, checkpoint: Checkpoint, number: int) -> Layer:
        prefix = f"model.layers.{number}."

        def present(names: list[str]) -> list[Any]:
            return [
                checkpoint.read(prefix + name).to(self.dtype)
                for name in names
                if prefix + name in checkpoint
            ]

        def bias(group: int) -> list[Any]:
            import torch

            vectors = present([f"{name}.bias" for name in GROUPS[group]])
            return [torch.cat(vectors)] if vectors else []

        before, after = present(["input_layernorm.weight", "post_attention_layernorm.weight"])
        head_norms = present(["self_attn.q_norm.weight", "self_attn.k_norm.weight"])
        linears = tuple(
            Linear(
                self.kind,
                checkpoint.join([f"{prefix}{name}.weight" for name in group]).float(),
                len(group),
            )
            for group in GROUPS
        )
        extras = ((*bias(0), *head_norms), (*bias(1), *bias(2), *bias(3)))
        return Layer((before, after), linears, extras)


def _layer_arguments(layer: Layer, ups: list[tuple[Any, ...]], num_granules: int) -> LayerArguments:
    """What project_in and project_out take of a layer."""
    qkv, *others = (linear.inputs(num_granules) for linear in layer.linears)
    inward = (layer.norms[0], qkv, ups[0], layer.extras[0])
    return inward, (layer.norms[1], *others, tuple(ups[1:]), layer.extras[1])


def flags(checkpoint: Checkpoint) -> tuple[tuple[bool, ...], bool]:
    """Which fused linears have a bias, and whether queries and keys are normalized."""
    first = "model.layers.0."
    biased = tuple(f"{first}{group[0]}.bias" in checkpoint for group in GROUPS)
    return biased, f"{first}self_attn.q_norm.weight" in checkpoint


def _head(checkpoint: Checkpoint, architecture: Architecture, kind: Kind, embedding: Any) -> Linear:
    weight = embedding if architecture.tied_embeddings else checkpoint.read("lm_head.weight")
    return Linear(kind.head, weight.float())
