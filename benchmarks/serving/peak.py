"""The processor's own speed at products of int8, and how many of them a token needs.

Measured by the instructions of its kernel in a bare loop: overhead/peak.cpp.
"""

import subprocess
import tempfile
from pathlib import Path

from benchmarks.process import ProgramFailed
from serving.torch.architecture import GROUPS, read_architecture
from serving.torch.linear import ROBUST
from serving.torch.native.compiler import SOURCES, find_compiler
from serving.torch.native.kernels import Kernel, kernels_here

SOURCE = Path(__file__).parents[1] / "overhead" / "peak.cpp"
WIDE = ("avx2",)  # kernels that compute both halves of an activation at once
LOOPED = ("avx512_vnni", "avx_vnni", "neon_dotprod", *WIDE)  # those that the loop is written for


def peak_products(threads: int, kernel: Kernel | None = None) -> float | None:
    """[products of two numbers per second]; None where there is no such loop. Raises
    ProgramFailed."""
    kernel, compiler = kernel or kernels_here()[0], find_compiler()
    if kernel.name not in LOOPED or compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        command = [*compiler.split(), "-std=c++17", "-O2", "-w", "-pthread", "-I", SOURCES]
        command += [kernel.definition, *kernel.flags, SOURCE, "-o", program]
        try:
            subprocess.run(command, check=True, timeout=120)
            told = subprocess.check_output([program, str(threads)], text=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            raise ProgramFailed(f"The bare loop: {error}") from error
    return float(told)


def products_per_token(base: Path, kernel: str) -> int:
    """The products of the base's weights, its head among them, for a token; an activation's second
    half counts again."""
    shape = read_architecture(base)
    halves = 1 if kernel in WIDE else 2
    layer = sum(
        (1 if group in ROBUST else halves)
        * sum(rows * columns for rows, columns in (shape.projections[name] for name in names))
        for group, names in enumerate(GROUPS)
    )
    return shape.num_layers * layer + halves * shape.vocab_size * shape.hidden_size
