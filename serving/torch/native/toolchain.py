"""How the compiled code is made: the compiler, and what it is asked."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .kernels import Kernel

SOURCES = Path(__file__).parent / "cpp"
COMPILERS = ("g++", "c++")  # after $CXX; clang++ wants another OpenMP than torch has
FLAGS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-w"),
    *("-fPIC", "-fopenmp"),
    "-fvisibility=hidden",  # two kernels in one process have nothing in common
)
# Not with -fopenmp: the runtime is torch's own, found when the library is loaded. A second one
# would have threads of its own, and each would wait, busily, beside the other's.
LINK_FLAGS = ("-shared",)


def find_compiler() -> str | None:
    """What $CXX says, or the first one that is installed."""
    return os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), None)


def compiler_words(compiler: str) -> list[str]:
    """$CXX may hold options too; a path that was found may hold spaces."""
    return compiler.split() if "CXX" in os.environ else [compiler]


def steps(kernel: Kernel, tuning: Sequence[str], library: Path) -> list[list[str]]:
    """The arguments of each of a compiler's runs that make `library`, in this order."""
    compiled = library.with_suffix(".o")
    own = [*FLAGS, kernel.definition, *kernel.flags, *tuning]
    return [
        ["-c", str(SOURCES / "library.cpp"), *own, "-o", str(compiled)],
        [str(compiled), *LINK_FLAGS, "-o", str(library)],
    ]
