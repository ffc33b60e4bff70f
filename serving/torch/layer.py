"""What one decoder layer computes. native/cpp/forward.hpp computes the same.

The tokens of a step, whosever they are, lie flat in one batch [T, hidden]. A layer is

    project_in    norm, q k v and their adapters, rotary embedding, keys and values into the cache
    (attention)   every token over its own sequence's blocks
    project_out   output projection, MLP, their adapters, both residuals

Adapters come in granules of 16 ranks. An adapter's A stands among the rows of the base's own
weight, so that one product gives the base's output and every granule's hidden values; each token
then takes its own granules' B, times its scales:

    [ Y | H ] = X·[ W | A_0 | A_1 | … ]ᵀ        Y_t += Σ_k scale_tk · H_t[g_tk] · B[g_tk]

A blend is several granules with several scales, a higher rank several granules with one.
"""

from dataclasses import dataclass
from typing import Any

from .architecture import DOWN, GATE_UP, OUTPUT, QKV, Architecture
from .linear import GRANULE, Linear

LARGEST_VALUE = 1e30  # of keys and values; times a sound query it is still a number
DENSE_FROM = 48  # [tokens] from which one product over all granules is cheaper than gathering

# granules [T, K]; scales [T, K]; how many the former are among, 0: no adapters
Adapters = tuple[Any, Any, int]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's weights."""

    architecture: Architecture
    norms: tuple[Any, Any]  # before attention, before the MLP
    linears: tuple[Linear, ...]  # by GROUPS
    biases: tuple[Any | None, ...]  # by GROUPS; qwen2: of the first
    head_norms: tuple[Any, Any] | None  # qwen3: of queries and keys

    def project_in(
        self,
        hidden: Any,  # [T, hidden]
        rotation: tuple[Any, Any],  # cos, sin: [T, head dim]
        cache: tuple[Any, Any, Any],  # slots to write [T]; keys, values [slots, kv heads, head dim]
        adapters: Adapters,
        ups: list[tuple[Any, ...]],  # B by group and part
    ) -> Any:
        """Queries [T, heads, head dim]; keys and values are in the cache when it returns."""
        shape = self.architecture
        fused = self._linear(QKV, self._normalize(hidden, self.norms[0]), ups, adapters)
        heads = fused.view(hidden.shape[0], -1, shape.head_dim)
        q, k, v = heads.split([shape.num_heads, shape.num_kv_heads, shape.num_kv_heads], dim=1)
        if self.head_norms is not None:
            q, k = (
                self._normalize(own, norm)
                for own, norm in zip((q, k), self.head_norms, strict=True)
            )
        slots, keys, values = cache
        keys.index_put_((slots,), bounded(rotate(k, *rotation), keys.dtype))
        values.index_put_((slots,), bounded(v, values.dtype))
        return rotate(q, *rotation)

    def project_out(
        self,
        hidden: Any,
        attended: Any,  # [T, heads · head dim]
        adapters: Adapters,
        ups: list[tuple[Any, ...]],
    ) -> Any:
        import torch

        hidden = hidden + self._linear(OUTPUT, attended, ups, adapters)
        fused = self._linear(GATE_UP, self._normalize(hidden, self.norms[1]), ups, adapters)
        gate, up = fused.chunk(2, dim=-1)
        inner = torch.nn.functional.silu(gate) * up
        return hidden + self._linear(DOWN, inner, ups, adapters)

    def _linear(
        self, group: int, inputs: Any, ups: list[tuple[Any, ...]], adapters: Adapters
    ) -> Any:
        output, lows = self.linears[group].split(inputs, adapters[2])
        if adapters[2] > 0:
            output = output + lora_up(lows, ups[group], *adapters[:2]).to(output.dtype)
        bias = self.biases[group]
        return output if bias is None else output + bias

    def _normalize(self, values: Any, weight: Any) -> Any:
        return normalize(values, weight, self.architecture.norm_eps)


def normalize(values: Any, weight: Any, epsilon: float) -> Any:
    """RMSNorm in float32, as every model of the family has it."""
    import torch

    wide = values.float()
    normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * normed.to(values.dtype)


def rotate(values: Any, cos: Any, sin: Any) -> Any:
    """Rotary embedding of [T, heads, head dim]; cos and sin are [T, head dim]."""
    import torch

    first, second = values.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return values * cos[:, None] + turned * sin[:, None]


def bounded(values: Any, dtype: Any) -> Any:
    """Values bounded for the cache, whatever a diverged adapter computes: a block passes from one
    request to the next, and what is masked there counts zero times only if its products are
    numbers."""
    import torch

    limit = min(LARGEST_VALUE, torch.finfo(dtype).max)
    return values.nan_to_num(0.0).clamp(-limit, limit).to(dtype)


def lora_up(lows: Any, ups: tuple[Any, ...], granules: Any, scales: Any) -> Any:
    """Each token's own granules through B, parts side by side: [T, Σ out].

    lows: hidden values, [T, granules · parts · 16]; ups: B of each part, [granules, 16, out].
    """
    import torch

    parts = lows.view(lows.shape[0], -1, len(ups), GRANULE)
    if lows.shape[0] >= DENSE_FROM:
        outputs = [_dense_up(parts[:, :, n], up, granules, scales) for n, up in enumerate(ups)]
    else:
        outputs = [_gathered_up(parts[:, :, n], up, granules, scales) for n, up in enumerate(ups)]
    return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]


def _gathered_up(lows: Any, up: Any, granules: Any, scales: Any) -> Any:
    """lows: [T, all granules, 16]."""
    import torch

    tokens = torch.arange(lows.shape[0], device=lows.device)
    output: Any = 0
    for k in range(granules.shape[1]):
        own = lows[tokens, granules[:, k]] * scales[:, k, None]
        output = output + (own[:, :, None] * up[granules[:, k]].to(own.dtype)).sum(1)
    return output


def _dense_up(lows: Any, up: Any, granules: Any, scales: Any) -> Any:
    """The same by masked concatenation: scales in a token's own granules, zeros elsewhere, and
    one product over all that are in use."""
    num_granules = int(granules.max()) + 1
    mask = scales.new_zeros(len(lows), num_granules).scatter_add_(1, granules, scales)
    masked = lows[:, :num_granules] * mask[:, :, None]
    used = up[:num_granules].reshape(num_granules * GRANULE, -1)
    return masked.reshape(len(lows), -1) @ used.to(lows.dtype)
