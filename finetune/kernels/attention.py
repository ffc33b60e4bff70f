"""Causal attention within each packed row and never across rows, as a transformers attention."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from .dropout import NO_PARENT, Layout
from .gpu_kernels import find_flash_attention, flash_attend

NAME = "lora_chat_packed"
Part = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # query, key and value of some tokens
# [tokens] Up to here torch's backward in bfloat16 on a CPU costs seven times what the products cost
# (174 tokens, 9 heads of 64: 7.8 ms against 1.0); it has caught up at about 600.
SHORT = 384
# [tokens] Lengths are filled up to a multiple of it. oneDNN compiles a product anew for every size,
# and keeps a thousand of them: 700 MB and a tenth of the time with rows of all lengths.
STRIDE = 32


def register() -> str:
    """Make it known to transformers; returns the name to set a model's attention by."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)
    return NAME


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    layout: Layout,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query [1, heads, tokens, head size]; key and value [1, key heads, tokens, head size].

    Gives [1, tokens, heads, head size]. Row by row: the work grows with the rows' squares, not
    with the pack's, and no mask is built.
    """
    lengths = list(layout.lengths)
    scale = scaling or query.shape[-1] ** -0.5
    if query.device.type == "cuda" and (flash := find_flash_attention()):
        return flash_attend(flash, query, key, value, lengths, scale, sliding_window), None
    split = (each.split(lengths, dim=2) for each in (query, key, value))
    parts = list(zip(*split, strict=True))
    parents = layout.parents or (NO_PARENT,) * len(parts)
    found = [
        _attend(*_continued(parts, number, parent), scale, sliding_window)[:, :, -length:]
        for number, (parent, length) in enumerate(zip(parents, lengths, strict=True))
    ]
    return torch.cat(found, dim=2).transpose(1, 2).contiguous(), None


def _continued(parts: Sequence[Part], number: int, parent: int) -> Part:
    """A part behind the one that it continues: attention is cheap beside the layers' products, so
    that the beginning's queries are asked once more for each of its rows."""
    if parent == NO_PARENT:
        return parts[number]
    query, key, value = (
        torch.cat(both, dim=2) for both in zip(parts[parent], parts[number], strict=True)
    )
    return query, key, value


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, window: int | None
) -> Any:
    length = query.shape[2]
    is_windowed = window is not None and length > window
    is_slow = query.device.type == "cpu" and query.dtype == torch.bfloat16
    if is_slow and length <= SHORT and not is_windowed:
        return ShortRow.apply(query, key, value, scale)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=_visible(length, window, query.device) if is_windowed and window else None,
        is_causal=not is_windowed,
        scale=scale,
        enable_gqa=key.shape[1] != query.shape[1],
    )


def _visible(length: int, window: int, device: torch.device) -> torch.Tensor:
    """Which keys a query sees: itself and those before it, at most `window` in all."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - window)


class ShortRow(torch.autograd.Function):
    """Torch's attention forward; backward by plain products, its shares computed again.

    Heads that share a key are one batch: shares are [key heads, heads per key · queries, keys].
    """

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, scale: float) -> Any:
        ctx.save_for_backward(query, key, value)
        ctx.scale = scale
        is_grouped = key.shape[1] != query.shape[1]
        return scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scale, enable_gqa=is_grouped
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        length = grads[0].shape[2]
        query, key, value, dy = (_filled(each) for each in (*ctx.saved_tensors, grads[0]))
        num_keys, size = key.shape[1], key.shape[3]
        q, dy = (each.reshape(num_keys, -1, size) for each in (query, dy))
        shares = _shares(q, key[0], ctx.scale)
        dv = shares.to(dy.dtype).mT @ dy
        to_shares = (dy @ value[0].mT).float()
        to_scores: Any = torch._softmax_backward_data(to_shares, shares, -1, torch.float32)  # pyright: ignore[reportPrivateUsage] - the backward of softmax has no public name
        ds = to_scores.mul_(ctx.scale).to(q.dtype)
        dq = (ds @ key[0]).view_as(query)
        dk = ds.mT @ q
        return dq[:, :, :length], dk[None, :, :length], dv[None, :, :length], None


def _filled(row: torch.Tensor) -> torch.Tensor:
    """Add zeros behind a row: no query before them sees them, and their gradient is zero."""
    return torch.nn.functional.pad(row, (0, 0, 0, -row.shape[2] % STRIDE))


def _shares(query: torch.Tensor, key: torch.Tensor, scale: float) -> torch.Tensor:
    """softmax(s·q·kᵀ) in float32, each query seeing itself and what stands before it."""
    length = key.shape[1]
    scores = (query @ key.mT).float().mul_(scale)
    hidden = torch.full((length, length), -math.inf, device=query.device).triu(1)
    scores.view(-1, length, length).add_(hidden)
    return scores.softmax(-1)
