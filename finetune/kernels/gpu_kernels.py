"""Kernels of others for NVIDIA GPUs, used where they are installed; our own steps do otherwise.

No GPU has run these lines yet: `benchmarks/gpu_finetune.py` is to.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

from data.wording import _

logger = logging.getLogger(__name__)


class Liger(NamedTuple):
    rms_norm: Callable[..., Any]  # of x, weight and epsilon
    swiglu: Callable[..., Any]  # of gate and up


def find_liger(device: str) -> Liger | None:
    """liger-kernel's RMSNorm and SwiGLU, each one launch forward and one backward."""
    if device != "cuda" or find_spec("liger_kernel") is None:
        return None
    try:
        from liger_kernel.transformers import functional  # pyright: ignore[reportMissingImports]
    except ImportError as error:  # built for another torch
        logger.warning("liger-kernel is installed and cannot be used: %s", error)
        return None
    return Liger(
        lambda x, weight, epsilon: functional.liger_rms_norm(x, weight, epsilon, in_place=False),
        functional.liger_swiglu,
    )


@cache
def find_flash_attention() -> Callable[..., Any] | None:
    """flash-attn's attention over rows laid end to end."""
    if find_spec("flash_attn") is None:
        return None
    try:
        from flash_attn import flash_attn_varlen_func  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        logger.warning("flash-attn is installed and cannot be used: %s", error)
        return None
    return flash_attn_varlen_func


def flash_attend(
    attend: Callable[..., Any],
    query: Any,
    key: Any,
    value: Any,
    row_lengths: Sequence[int],
    scale: float,
    window: int | None,
) -> Any:
    """Shapes as in packed_attention; all rows in one launch."""
    import torch

    lengths = torch.tensor([0, *row_lengths], device=query.device)
    ends = lengths.cumsum(0, dtype=torch.int32)
    longest = max(row_lengths)
    q, k, v = (each[0].transpose(0, 1) for each in (query, key, value))
    return attend(
        q,
        k,
        v,
        ends,
        ends,
        longest,
        longest,
        softmax_scale=scale,
        causal=True,
        window_size=(-1, -1) if window is None else (window - 1, 0),
    )[None]


def names_in_use(device: str) -> str:
    """The names, for the log, of what computes a step."""
    own = _("lora-chat's own kernels")
    if device != "cuda":
        return own
    attention = "flash-attn" if find_flash_attention() else "torch's attention"
    others = "liger-kernel" if find_liger(device) else "own RMSNorm and SwiGLU"
    return f"{own} ({attention}, {others})"
