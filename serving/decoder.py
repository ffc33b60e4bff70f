"""The LLaMA-family decoder: prompts and single steps over a KV cache, with adapters on top.

Lean on purpose: fused projections, flat [tokens, hidden] activations, no module hierarchy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .architecture import Architecture
from .kv_cache import KVCache
from .lora_stack import GROUPS, LoraStack, StackedGroup

Attend = Callable[[int, Any, Any, Any], Any]
"""(layer, queries, keys, values) -> attended, all [tokens, heads, head dim]."""


@dataclass(frozen=True, slots=True)
class Linear:
    weight: Any  # [out, in]
    bias: Any | None

    def __call__(self, inputs: Any, lora: StackedGroup | None, mask: Any) -> Any:
        import torch

        output = torch.nn.functional.linear(inputs, self.weight, self.bias)
        if lora is not None:
            lora.add_to(output, inputs, mask)
        return output


@dataclass(frozen=True, slots=True)
class Layer:
    input_norm: Any
    post_norm: Any
    query_norm: Any | None  # qwen3
    key_norm: Any | None
    qkv: Linear
    attention_out: Linear
    gate_up: Linear
    down: Linear


class Decoder:
    """Owns the base's weights; knows nothing of requests."""

    def __init__(self, folder: Path, architecture: Architecture, dtype: Any, device: str) -> None:
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

        self.architecture = architecture
        self.dtype = dtype
        self.device = device
        state = _read_weights(folder, dtype, device)
        self._embedding = state["model.embed_tokens.weight"]
        self._head = self._embedding if architecture.tied_embeddings else state["lm_head.weight"]
        self._norm = state["model.norm.weight"]
        self._rotary = LlamaRotaryEmbedding(architecture.config).to(device)
        self._layers = [_layer(state, number) for number in range(architecture.num_layers)]

    def prefill(
        self, token_ids: Any, cache: KVCache, row: int, stack: LoraStack | None, mask: Any
    ) -> Any:
        """Compute a whole prompt into an empty row; returns its last token's logits, [vocab]."""
        import torch

        def attend(layer: int, queries: Any, keys: Any, values: Any) -> Any:
            q, k, v = (x.transpose(0, 1) for x in (queries, keys, values))
            cache.write_row(layer, row, 0, k, v)
            attended = torch.nn.functional.scaled_dot_product_attention(
                q[None], k[None], v[None], is_causal=True, enable_gqa=True
            )
            return attended[0].transpose(0, 1)

        positions = torch.arange(len(token_ids), device=self.device)
        hidden = self._run(token_ids, positions, attend, stack, mask)
        return self._logits(hidden[-1:])[0]

    def decode(
        self, token_ids: Any, positions: Any, cache: KVCache, stack: LoraStack | None, mask: Any
    ) -> Any:
        """One token for each of the cache's first rows; returns logits, [rows, vocab]."""
        import torch

        num_rows = len(token_ids)
        length = int(positions.max()) + 1
        visible = torch.arange(length, device=self.device) <= positions[:, None]

        def attend(layer: int, queries: Any, keys: Any, values: Any) -> Any:
            cache.write_step(layer, positions, keys, values)
            k, v = cache.read(layer, 0, num_rows, length)
            attended = torch.nn.functional.scaled_dot_product_attention(
                queries[:, :, None], k, v, attn_mask=visible[:, None, None], enable_gqa=True
            )
            return attended[:, :, 0]

        return self._logits(self._run(token_ids, positions, attend, stack, mask))

    def _run(
        self, token_ids: Any, positions: Any, attend: Attend, stack: LoraStack | None, mask: Any
    ) -> Any:
        hidden = self._embedding[token_ids]
        cos, sin = (table[0] for table in self._rotary(hidden, positions[None]))
        for number, layer in enumerate(self._layers):
            groups = stack.layers[number] if stack else [None] * len(GROUPS)
            hidden = self._block(number, layer, hidden, (cos, sin), attend, groups, mask)
        return self._normalize(hidden, self._norm)

    def _block(
        self,
        number: int,
        layer: Layer,
        hidden: Any,
        rotation: tuple[Any, Any],
        attend: Attend,
        groups: Sequence[StackedGroup | None],
        mask: Any,
    ) -> Any:
        import torch

        shape = self.architecture
        normed = self._normalize(hidden, layer.input_norm)
        fused = layer.qkv(normed, groups[0], mask).view(len(hidden), -1, shape.head_dim)
        q, k, v = fused.split([shape.num_heads, shape.num_kv_heads, shape.num_kv_heads], dim=1)
        if layer.query_norm is not None:
            q, k = self._normalize(q, layer.query_norm), self._normalize(k, layer.key_norm)
        attended = attend(number, _rotate(q, *rotation), _rotate(k, *rotation), v)
        hidden = hidden + layer.attention_out(attended.flatten(1), groups[1], mask)
        gate, up = layer.gate_up(self._normalize(hidden, layer.post_norm), groups[2], mask).chunk(
            2, dim=-1
        )
        return hidden + layer.down(torch.nn.functional.silu(gate) * up, groups[3], mask)

    def _normalize(self, values: Any, weight: Any) -> Any:
        """RMSNorm in float32, as every model of the family has it."""
        import torch

        wide = torch.nn.functional.rms_norm(
            values.float(), values.shape[-1:], eps=self.architecture.norm_eps
        )
        return weight * wide.to(values.dtype)

    def _logits(self, hidden: Any) -> Any:
        return (hidden @ self._head.T).float()


def _rotate(values: Any, cos: Any, sin: Any) -> Any:
    """Rotary embedding of [tokens, heads, head dim]; cos and sin are [tokens, head dim]."""
    import torch

    first, second = values.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return values * cos[:, None] + turned * sin[:, None]


def _read_weights(folder: Path, dtype: Any, device: str) -> dict[str, Any]:
    from safetensors.torch import load_file

    from finetune.fingerprint import weight_files

    state: dict[str, Any] = {}
    for name in weight_files(folder):
        for key, tensor in load_file(folder / name, device=device).items():
            state[key] = tensor.to(dtype)
    return state


def _layer(state: dict[str, Any], number: int) -> Layer:
    prefix = f"model.layers.{number}."

    def linear(group: int) -> Linear:
        names = [f"{prefix}{name}" for name in GROUPS[group]]
        return Linear(
            _join([state.pop(f"{name}.weight") for name in names]),
            _join([state.pop(f"{name}.bias") for name in names if f"{name}.bias" in state]),
        )

    return Layer(
        input_norm=state[f"{prefix}input_layernorm.weight"],
        post_norm=state[f"{prefix}post_attention_layernorm.weight"],
        query_norm=state.get(f"{prefix}self_attn.q_norm.weight"),
        key_norm=state.get(f"{prefix}self_attn.k_norm.weight"),
        qkv=linear(0),
        attention_out=linear(1),
        gate_up=linear(2),
        down=linear(3),
    )


def _join(tensors: list[Any]) -> Any:
    import torch

    if not tensors:
        return None
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)
