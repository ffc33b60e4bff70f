"""Compiled code at hand: under home, made for this machine, or in the package, made for all."""

import hashlib
import logging
import platform
import sys
from pathlib import Path

from .kernels import Kernel, kernels_here
from .library import Library
from .toolchain import FLAGS, LINK_FLAGS, SOURCES, find_compiler

logger = logging.getLogger(__name__)

BUILT = Path(__file__).parent / "built"  # only in a wheel that was built with it: hook.py
TELLING = ("flags", "model", "Features", "CPU implementer", "CPU part")  # lines on x86 and Arm


def library_path(folder: Path, kernel: Kernel | None = None) -> Path:
    """Where the code for this processor's best kernel, or another, and this source belongs."""
    import torch

    kernel = kernel or kernels_here()[0]
    made_of = (kernel.name, kernel.flags, FLAGS, LINK_FLAGS, torch.__version__, processor())
    digest = hashlib.sha256(repr(made_of).encode())
    for source in sorted(SOURCES.rglob("*.*pp")):
        digest.update(source.read_bytes())
    return folder / f"forward-{kernel.name}-{digest.hexdigest()[:16]}.so"


def built_path(kernel: Kernel, folder: Path = BUILT) -> Path:
    """Where a wheel has the code of a kernel. It was built with the sources beside it."""
    return folder / f"{kernel.name}.so"


def find_library(folder: Path) -> Library | None:
    """The best that is at hand for this processor; what was compiled on it before what was built
    elsewhere."""
    for kernel in kernels_here():
        for path in (library_path(folder, kernel), built_path(kernel)):
            if (library := load(path)) is not None:
                return library
    return None


def can_be_had() -> bool:
    """Whether compiled code comes with the package, or a compiler would make it. What compilers
    make elsewhere than on Linux cannot be loaded."""
    can_compile = sys.platform == "linux" and find_compiler() is not None
    return can_compile or any(built_path(kernel).is_file() for kernel in kernels_here())


def load(path: Path) -> Library | None:
    """None where there is no library, or none that can be used; a warning says so."""
    if not path.is_file():
        return None
    try:
        if not _is_sealed(path):  # loading half a library would end the process
            raise OSError(f"{path.name} is not as it was written")
        return Library(path)
    except OSError as error:
        logger.warning("Compiled code is damaged and not used (%s)", error)
        return None


def seal(path: Path) -> None:
    """Append the file's digest: what lies behind a library's sections is not read."""
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())


def _is_sealed(path: Path) -> bool:
    content = path.read_bytes()
    end = len(content) - hashlib.sha256().digest_size
    return end > 0 and hashlib.sha256(content[:end]).digest() == content[end:]


def processor() -> str:
    """What tells it from others."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return "\n".join(sorted({line for line in lines if line.startswith(TELLING)}))
