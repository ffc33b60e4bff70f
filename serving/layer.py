"""What one decoder layer computes, as pure functions of tensors: run as they stand, or compiled.

The tokens of a step, whosever they are, lie flat in one batch [T, hidden]. A layer is

    project_in    norm, q k v and their adapters, rotary embedding, keys and values into the cache
    attend        every decoding row over its own blocks (a prompt's chunk: see `attention`)
    project_out   output projection, MLP, their adapters, both residuals

Adapters come in granules of 16 ranks. An adapter's A stands among the rows of the base's own
weight, so that one product gives the base's output and every granule's hidden values; each token
then takes its own granules' B, times its scales:

    [ Y | H ] = X·[ W | A_0 | A_1 | … ]ᵀ        Y_t += Σ_k scale_tk · H_t[g_tk] · B[g_tk]

A blend is several granules with several scales, a higher rank several granules with one.
"""

from dataclasses import dataclass
from typing import Any

from .architecture import Architecture
from .blocks import BLOCK
from .linear import GRANULE, Kind

LARGEST = 1e30  # of keys and values; times a sound query it is still a number
DENSE_FROM = 48  # [tokens] from which one product over all granules is cheaper than gathering


@dataclass(frozen=True, slots=True)
class LayerMath:
    """A layer's computations, for one architecture and one kind of linear."""

    architecture: Architecture
    kind: Kind
    biased: tuple[bool, ...]  # of the four fused linears; qwen2: the first
    has_head_norms: bool  # qwen3: on q and k

    def project_in(
        self,
        hidden: Any,  # [T, hidden]
        rotation: tuple[Any, Any],  # cos, sin: [T, head dim]
        cache: tuple[Any, Any, Any],  # slots to write [T]; keys, values [slots, kv heads, head dim]
        adapters: tuple[Any, Any],  # granules [T, K]; scales [T, K]
        norm: Any,
        linear: tuple[Any, ...],
        ups: tuple[Any, ...],
        extras: tuple[Any, ...],  # bias, norms of q and k: what of them there is
    ) -> Any:
        """Queries [T, heads, head dim]; keys and values are in the cache when it returns."""
        shape = self.architecture
        num_rows = (shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim
        fused = self._linear(self._normalize(hidden, norm), num_rows, linear, ups, adapters)
        if self.biased[0]:
            fused = fused + extras[0]
        heads = fused.view(hidden.shape[0], -1, shape.head_dim)
        q, k, v = heads.split([shape.num_heads, shape.num_kv_heads, shape.num_kv_heads], dim=1)
        if self.has_head_norms:
            q, k = self._normalize(q, extras[-2]), self._normalize(k, extras[-1])
        slots, keys, values = cache
        keys.index_put_((slots,), bounded(rotate(k, *rotation), keys.dtype))
        values.index_put_((slots,), bounded(v, values.dtype))
        return rotate(q, *rotation)

    def project_out(
        self,
        hidden: Any,
        attended: Any,  # [T, heads · head dim]
        adapters: tuple[Any, Any],
        norm: Any,
        output: tuple[Any, ...],
        gate_up: tuple[Any, ...],
        down: tuple[Any, ...],
        ups: tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]],
        extras: tuple[Any, ...],  # the three biases: what of them there is
    ) -> Any:
        import torch

        shape = self.architecture
        given = iter(extras)
        biases = [next(given) if biased else 0 for biased in self.biased[1:]]
        hidden = hidden + biases[0]
        hidden = hidden + self._linear(attended, shape.hidden_size, output, ups[0], adapters)
        normed = self._normalize(hidden, norm)
        fused = self._linear(normed, 2 * shape.intermediate_size, gate_up, ups[1], adapters)
        gate, up = (fused + biases[1]).chunk(2, dim=-1)
        inner = torch.nn.functional.silu(gate) * up
        return hidden + self._linear(inner, shape.hidden_size, down, ups[2], adapters) + biases[2]

    def head(self, hidden: Any, norm: Any, linear: tuple[Any, ...]) -> Any:
        """Logits [T, vocabulary] in float32."""
        normed = self._normalize(hidden, norm)
        logits, _ = self.kind.head.split(normed, self.architecture.vocab_size, *linear)
        return logits.float()

    def _linear(
        self,
        inputs: Any,
        num_rows: int,
        linear: tuple[Any, ...],
        ups: tuple[Any, ...],
        adapters: tuple[Any, Any],
    ) -> Any:
        output, lows = self.kind.split(inputs, num_rows, *linear)
        return output + lora_up(lows, ups, *adapters).to(output.dtype)

    def _normalize(self, values: Any, weight: Any) -> Any:
        """RMSNorm in float32, as every model of the family has it."""
        import torch

        wide = values.float()
        mean = wide.pow(2).mean(-1, keepdim=True)
        normed = wide * torch.rsqrt(mean + self.architecture.norm_eps)
        return weight * normed.to(values.dtype)


def rotate(values: Any, cos: Any, sin: Any) -> Any:
    """Rotary embedding of [T, heads, head dim]; cos and sin are [T, head dim]."""
    import torch

    first, second = values.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return values * cos[:, None] + turned * sin[:, None]


def bounded(values: Any, dtype: Any) -> Any:
    """For the cache, whatever a diverged adapter computes: a block passes from one request to the
    next, and what is masked there counts zero times only if its products are numbers."""
    import torch

    limit = min(LARGEST, torch.finfo(dtype).max)
    return values.nan_to_num(0.0).clamp(-limit, limit).to(dtype)


def lora_up(lows: Any, ups: tuple[Any, ...], granules: Any, scales: Any) -> Any:
    """Each token's own granules through B, parts side by side: [T, Σ out].

    lows: hidden values, [T, granules · parts · 16]; ups: B of each part, [granules, 16, out].
    """
    import torch

    parts = lows.view(lows.shape[0], -1, len(ups), GRANULE)
    if not torch.compiler.is_compiling() and lows.shape[0] >= DENSE_FROM:
        outputs = [_dense_up(parts[:, :, n], up, granules, scales) for n, up in enumerate(ups)]
    else:
        outputs = [_gathered_up(parts[:, :, n], up, granules, scales) for n, up in enumerate(ups)]
    return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]


def _gathered_up(lows: Any, up: Any, granules: Any, scales: Any) -> Any:
    """lows: [T, all granules, 16]. The sum over a token's granules is written out, so that a
    compiler has only one sum to fuse with the gathering."""
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


def attend(queries: Any, keys: Any, values: Any, table: Any, first: Any, length: Any) -> Any:
    """Rows [M, heads, head dim] over their blocks; returns [M, heads · head dim].

    keys, values: [slots, kv heads, head dim]; table: [M, blocks] of each row's blocks; a row sees
    its positions from `first` to before `length` [M]. Written out as sums, so that a compiler
    reads the blocks in place instead of copying them together.
    """
    import torch

    slots, visible = _context(table, first, length)
    grouped = queries.unflatten(1, (keys.shape[1], -1)) * queries.shape[-1] ** -0.5
    seen = keys[slots].to(queries.dtype)  # [M, L, kv heads, head dim]
    scores = (grouped[:, None] * seen[:, :, :, None]).sum(-1)
    weights = scores.masked_fill(~visible[:, :, None, None], -torch.inf).softmax(1)
    shown = values[slots].to(queries.dtype)
    return (weights[..., None] * shown[:, :, :, None]).sum(1).flatten(1)


def attend_eagerly(
    queries: Any, keys: Any, values: Any, table: Any, first: Any, length: Any
) -> Any:
    """The same where nothing is compiled: blocks copied together, torch's own attention."""
    import torch

    slots, visible = _context(table, first, length)
    k, v = (cache[slots].transpose(1, 2).to(queries.dtype) for cache in (keys, values))
    attended = torch.nn.functional.scaled_dot_product_attention(
        queries[:, :, None], k, v, attn_mask=visible[:, None, None], enable_gqa=True
    )
    return attended.flatten(1)


def _context(table: Any, first: Any, length: Any) -> tuple[Any, Any]:
    """Every row's cache slots [M, L], and which of them it may see."""
    import torch

    offsets = torch.arange(BLOCK, device=table.device)
    slots = (table[:, :, None] * BLOCK + offsets).flatten(1)
    positions = torch.arange(slots.shape[1], device=table.device)
    return slots, (positions >= first[:, None]) & (positions < length[:, None])


def attend_chunk(queries: Any, keys: Any, values: Any, slots: Any, window: int | None) -> Any:
    """A prompt's chunk, the last of the tokens in `slots` [context]; returns [n, heads · dim]."""
    import torch

    count, context = len(queries), len(slots)
    chosen = (cache.index_select(0, slots).to(queries.dtype) for cache in (keys, values))
    k, v = (cached.transpose(0, 1)[None] for cached in chosen)
    mask = None
    if count < context or window is not None:
        positions = torch.arange(context, device=slots.device)
        last = positions[context - count :, None]
        mask = positions <= last
        if window is not None:
            mask &= positions > last - window
    attended = torch.nn.functional.scaled_dot_product_attention(
        queries.transpose(0, 1)[None], k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True
    )
    return attended[0].transpose(0, 1).flatten(1)
