"""RMSNorm and SwiGLU that keep their inputs for the backward pass and nothing else."""

from typing import Any

import torch


class RmsNorm(torch.autograd.Function):
    """w·x/√(mean(x²)+ε) over the last dimension, in float32 between; w is frozen."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, epsilon: float) -> Any:
        wide = x.float()
        inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(x, weight, inverse)
        return weight * (wide * inverse).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, weight, inverse = ctx.saved_tensors
        normal = x.float() * inverse
        dy = grads[0].float() * weight.float()
        dx = inverse * (dy - normal * (dy * normal).mean(-1, keepdim=True))
        return dx.to(x.dtype), None, None


class SwiGlu(torch.autograd.Function):
    """silu(gate)·up, element by element."""

    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any) -> Any:
        ctx.save_for_backward(gate, up)
        return torch.nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        gate, up = ctx.saved_tensors
        dy = grads[0]
        dup = torch.nn.functional.silu(gate).mul_(dy)
        return torch.ops.aten.silu_backward(dy * up, gate), dup
