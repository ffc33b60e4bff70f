"""The processor's own speed at products of int8, and how many of them a token needs.

Measured by the instructions of its kernel in a bare loop: overhead/peak.cpp.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path

from benchmarks.serving.loop import run_loop
from serving.torch.architecture import GROUPS, read_architecture
from serving.torch.linear import ROBUST
from serving.torch.native.kernels import Kernel, kernels_here
from serving.torch.native.toolchain import SOURCES

SOURCE = Path(__file__).parents[1] / "overhead" / "peak.cpp"
WIDE = ("avx2",)  # kernels that compute both halves of an activation at once
LOOPED = ("avx512_vnni", "avx_vnni", "neon_dotprod", *WIDE)  # those that the loop is written for


def peak_products(threads: int, kernel: Kernel | None = None) -> float | None:
    """[products of two numbers per second]; None where there is no such loop. Raises
    ProgramFailed."""
    kernel = kernel or kernels_here()[0]
    if kernel.name not in LOOPED:
        return None
    return run_loop(SOURCE, ["-O2", "-I", SOURCES, kernel.definition, *kernel.flags], threads)


def products_per_token(base: Path, kernel: str) -> int:
    """The products of the base's weights, its head among them, for a token; an activation's second
    half counts again."""
    shape = read_architecture(base)
    halves = halves_of(kernel)
    layers = shape.num_layers * products_per_layer(shape.projections, halves)
    return layers + halves * shape.vocab_size * shape.hidden_size


def halves_of(kernel: str) -> int:
    """How often a product of an activation's halves counts."""
    return 1 if kernel in WIDE else 2


def products_per_layer(projections: Mapping[str, tuple[int, int]], halves: int) -> int:
    """The products of its weights with one token; an activation's second half counts again."""
    return sum(
        (1 if group in ROBUST else halves) * sum(prod(projections[name]) for name in names)
        for group, names in enumerate(GROUPS)
    )
