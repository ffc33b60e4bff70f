"""A linear layer with its adapter, as one step of the backward graph.

y = x·Wᵀ + b + s·drop(x)·Aᵀ·Bᵀ

Kept for the backward pass are x, which neighbours share, and the rank-wide drop(x)·Aᵀ. W stays
quantized and is made dense again where it is needed; what is dropped is drawn again. PEFT's own
layers keep a copy of x for every module, another of what is dropped, and compute with A and B in
float32, which costs more than W itself on CPUs and GPUs that are fast in bfloat16.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .dropout import Dropout, Masks


@dataclass(frozen=True, slots=True)
class Product:
    """What one layer computes, in one pass."""

    base: Any  # the frozen layer: torch's Linear, or bitsandbytes' in 4 or 8 bits
    scale: float  # alpha/rank, or alpha/√rank
    dropout: Dropout | None

    def dropped(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout.apply(x) if self.dropout else x

    @property
    def factor(self) -> float:
        return self.scale * (self.dropout.scale if self.dropout else 1.0)


class LoraProduct(torch.autograd.Function):
    """Shapes: x [tokens, in], a [rank, in], b [out, rank]; gives [tokens, out] in x's dtype."""

    @staticmethod
    def forward(ctx: Any, x: Any, a: Any, b: Any, product: Product) -> Any:
        y = x @ dense_weight(product.base, x.dtype).t()
        if product.base.bias is not None:
            y += product.base.bias.to(x.dtype)
        down = product.dropped(x) @ a.to(x.dtype).t()  # [tokens, rank]
        y.addmm_(down, b.to(x.dtype).t(), alpha=product.factor)
        ctx.save_for_backward(x, a, b, down)
        ctx.product = product
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, a, b, down = ctx.saved_tensors
        product: Product = ctx.product
        dy = grads[0]
        to_down = (dy @ b.to(x.dtype)) * product.factor  # [tokens, rank]
        db = (dy.t() @ down) * product.factor
        da = to_down.t() @ product.dropped(x)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = product.dropped(to_down @ a.to(x.dtype))
            dx.addmm_(dy, dense_weight(product.base, x.dtype))
        return dx, da.to(a.dtype), db.to(b.dtype), None


def dense_weight(base: Any, dtype: torch.dtype) -> torch.Tensor:
    """The layer's weight, [out, in], whatever it is held in."""
    weight = base.weight
    state = getattr(weight, "quant_state", None)
    if state is not None:
        from bitsandbytes.functional import dequantize_4bit

        return dequantize_4bit(weight.data, state).to(dtype)
    if weight.dtype == torch.int8:
        scales = weight.SCB if getattr(weight, "SCB", None) is not None else base.state.SCB
        return weight.data.to(dtype) * (scales / 127).to(dtype)[:, None]
    return weight.to(dtype)


def lora_forward(layer: Any, input_number: int, masks: Masks) -> Callable[..., torch.Tensor]:
    """The forward of one of PEFT's LoRA layers, computed as above."""
    (name,) = layer.active_adapters
    a, b, scale = layer.lora_A[name], layer.lora_B[name], layer.scaling[name]
    drop = layer.lora_dropout[name]

    def forward(x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        is_dropping = drop.training and getattr(drop, "p", 0.0) > 0
        dropout = Dropout(drop.p, input_number, masks) if is_dropping else None
        product = Product(layer.base_layer, scale, dropout)
        y: Any = LoraProduct.apply(x.reshape(-1, x.shape[-1]), a.weight, b.weight, product)
        return y.view(*x.shape[:-1], -1)

    return forward
