"""How fast the device multiplies matrices in bfloat16: what training is measured against."""

import time
from typing import Any

PRODUCTS = 10  # a round
ROUNDS = 5


def matmul_rate(device: str, size: int) -> float:
    """[FLOP/second] of [size × size]·[size × size], in the best of several rounds."""
    import torch

    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = min(_seconds(left, right, device) for _ in range(ROUNDS + 1))
    return PRODUCTS * 2 * size**3 / seconds


def _seconds(left: Any, right: Any, device: str) -> float:
    import torch

    finish(device)
    begin = time.perf_counter()
    for _ in range(PRODUCTS):
        torch.mm(left, right)
    finish(device)
    return time.perf_counter() - begin


def finish(device: str) -> None:
    """Wait until the device has computed all that it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
