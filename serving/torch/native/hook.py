"""Builds compiled code into a wheel, for machines without a compiler: `make wheel`."""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from serving.torch.native.kept import BUILT, built_path, seal
from serving.torch.native.kernels import KERNELS, Kernel
from serving.torch.native.toolchain import compiler_words, find_compiler, steps

# A processor's own order of instructions is not known here; what it may execute, its kernel says.
TUNING = ("-mtune=generic",) if platform.machine() == "x86_64" else ()
GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")


class NativeHook(BuildHookInterface[Any]):
    """Every kernel for this machine's architecture but the portable one: a server takes the best
    that its processor has. Raises RuntimeError where nothing can be compiled."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not sys.platform.startswith("linux"):
            raise RuntimeError("A wheel with compiled code can be built on Linux only")
        self._folder = Path(tempfile.mkdtemp())
        kernels = [each for each in KERNELS if each.machine == platform.machine()]
        libraries = [self._build(kernel) for kernel in kernels]
        place = BUILT.relative_to(Path(self.root).resolve())
        build_data["force_include"] |= {str(path): f"{place}/{path.name}" for path in libraries}
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(libraries)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._folder)

    def _build(self, kernel: Kernel) -> Path:
        compiler, library = find_compiler(), built_path(kernel, self._folder)
        if compiler is None:
            raise RuntimeError("A wheel with compiled code needs a C++ compiler: apt install g++")
        self.app.display_info(f"Compiling the kernel {kernel.name}")
        for step in steps(kernel, TUNING, library):
            subprocess.run([*compiler_words(compiler), *step], check=True)
        seal(library)
        return library


def platform_tag(libraries: list[Path]) -> str:
    """The oldest C library that has all that these ask for (PEP 600)."""
    asked = {
        tuple(map(int, found)) for path in libraries for found in GLIBC.findall(path.read_bytes())
    }
    major, minor = max(asked)
    return f"manylinux_{major}_{minor}_{platform.machine()}"
