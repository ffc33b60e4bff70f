"""The LLaMA-family decoder: one step of tokens, whosever they are, over a paged KV cache.

Lean on purpose: fused projections, flat [tokens, hidden] activations, no module hierarchy. It
knows nothing of requests.
"""

from functools import partial
from pathlib import Path
from typing import Any, Protocol

from .architecture import GROUPS, Architecture
from .attention import contexts
from .bank import AdapterBank, Ups
from .layer import Layer, normalize
from .linear import Linear, LinearKind
from .paged_cache import PagedCache
from .step import Step
from .weights import MOST_LOADERS, Checkpoint, load_side_by_side


class Compiled(Protocol):
    """All layers and the head in other code, which gives what `Decoder.forward` gives."""

    def forward(
        self,
        step: Step,
        hidden: Any,
        rotation: tuple[Any, Any],
        cache: PagedCache,
        bank: AdapterBank,
    ) -> Any: ...


class Decoder:
    """Owns the base's weights, and the room for adapters among them."""

    def __init__(
        self,
        folder: Path,
        architecture: Architecture,
        kind: LinearKind,
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
        self.norm = checkpoint.read("model.norm.weight").to(dtype)
        self.head = _head(checkpoint, architecture, kind, self._embedding)
        self._rotary = LlamaRotaryEmbedding(architecture.config).to(device)
        numbers = range(architecture.num_layers)
        self.layers = load_side_by_side(partial(self._layer, checkpoint), numbers, device)
        self.compiled: Compiled | None = None

    def forward(self, step: Step, cache: PagedCache, bank: AdapterBank) -> Any:
        """Compute a step's tokens; returns the logits that it asks for, [sampled, vocabulary]."""
        hidden = self._embedding[step.token_ids].to(self.dtype)
        cos, sin = (table[0] for table in self._rotary(hidden, step.positions[None]))
        if self.compiled is not None:
            return self.compiled.forward(step, hidden, (cos, sin), cache, bank)
        return self._forward_eagerly(
            step, hidden, (cos, sin), cache, bank.stacks(step.num_granules)
        )

    def _forward_eagerly(
        self, step: Step, hidden: Any, rotation: tuple[Any, Any], cache: PagedCache, ups: Ups
    ) -> Any:
        import torch

        adapters = (step.granules, step.scales, step.num_granules)
        attending = contexts(step.spans, self.device)
        for number, window in enumerate(self.architecture.windows):
            layer, own = self.layers[number], ups[number]
            keys, values = cache.layers[number]
            queries = layer.project_in(hidden, rotation, (step.slots, keys, values), adapters, own)
            parts = [
                part.attend(queries[part.begin : part.end], keys, values, window)
                for part in attending
            ]
            attended = torch.cat(parts) if len(parts) > 1 else parts[0]
            hidden = layer.project_out(hidden, attended, adapters, own)
        normed = normalize(hidden[step.sampled], self.norm, self.architecture.norm_eps)
        if len(normed) == 0:
            return normed.new_empty(0, self.architecture.vocab_size)
        return self.head.split(normed, 0)[0].float()

    def _layer(self, checkpoint: Checkpoint, number: int) -> Layer:
        import torch

        prefix = f"model.layers.{number}."
        for soon in (number, number + MOST_LOADERS):  # the disk reads on while this is computed
            checkpoint.expect(f"model.layers.{soon}.")

        def present(names: list[str]) -> list[Any]:
            return [
                checkpoint.read(prefix + name).to(self.dtype)
                for name in names
                if prefix + name in checkpoint
            ]

        biases = [present([f"{name}.bias" for name in group]) for group in GROUPS]
        before, after = present(["input_layernorm.weight", "post_attention_layernorm.weight"])
        head_norms = present(["self_attn.q_norm.weight", "self_attn.k_norm.weight"])
        linears = tuple(
            Linear(
                self.kind.of(number),
                [checkpoint.read(f"{prefix}{name}.weight") for name in group],
                len(group),
            )
            for number, group in enumerate(GROUPS)
        )
        return Layer(
            self.architecture,
            (before, after),
            linears,
            tuple(torch.cat(own) if own else None for own in biases),
            (head_norms[0], head_norms[1]) if head_norms else None,
        )


def _head(
    checkpoint: Checkpoint, architecture: Architecture, kind: LinearKind, embedding: Any
) -> Linear:
    checkpoint.expect("lm_head.")
    weight = embedding if architecture.tied_embeddings else checkpoint.read("lm_head.weight")
    return Linear(kind.of(None), [weight])
