"""A bare loop in C++, compiled for this machine and asked for the one number that it finds."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import ProgramFailed
from serving.torch.native.toolchain import compiler_words, find_compiler

LONGEST = 120  # [seconds]


def run_loop(source: Path, options: Sequence[str | Path], *arguments: int) -> float | None:
    """None where there is no C++ compiler. Raises ProgramFailed."""
    compiler = find_compiler()
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "loop"
        command = [*compiler_words(compiler), "-std=c++17", "-w", "-pthread", *options]
        try:
            subprocess.run([*command, source, "-o", program], check=True, timeout=LONGEST)
            told = subprocess.check_output([program, *map(str, arguments)], timeout=LONGEST)
        except (OSError, subprocess.SubprocessError) as error:
            raise ProgramFailed(f"The bare loop: {error}") from error
    return float(told)
