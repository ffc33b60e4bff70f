"""How fast this machine multiplies and reads, timed in a moment."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from .hardware import compute_precision

WIDTH = 2048  # rows and columns of the weight
TOKENS = 512
READ = 1 << 28  # [bytes]: more than caches keep
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Pace:
    operations: float  # [float operations/s] of products as training makes them
    reading: float  # [bytes/s] of weights, once for each token of a stream


def time_machine(device: str) -> Pace:
    """Takes a fraction of a second."""
    import torch

    dtype = torch.bfloat16 if compute_precision(device) == "bf16" else torch.float32
    with torch.inference_mode():
        tokens = torch.ones(TOKENS, WIDTH, dtype=dtype, device=device)
        weight = torch.ones(WIDTH, WIDTH, dtype=dtype, device=device)
        multiplying = _seconds(lambda: tokens @ weight, device)
        table = torch.ones(READ // 4 // WIDTH, WIDTH, device=device)
        reading = _seconds(lambda: table @ table[0], device)
    return Pace(2 * TOKENS * WIDTH**2 / multiplying, READ / reading)


def _seconds(work: Callable[[], object], device: str) -> float:
    """The least of some rounds, after one that warms up."""
    import torch

    seconds: list[float] = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
