"""Compiled code for a decoder: found under home, or made in the background while eager answers."""

import hashlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .architecture import Architecture
from .build import Precision
from .decoder import Pieces

logger = logging.getLogger(__name__)

WIDTHS = (1, 2, 4)  # granules a token that there is code for; eager does what has more
PACKAGES = (
    ("head", 1),
    ("attend", 1),
    *((piece, width) for width in WIDTHS for piece in ("project_in", "project_out")),
)
SOURCES = ("build.py", "compile.py", "layer.py", "linear.py", "blocks.py")
NICENESS = 19  # answering comes first


class CompiledPiece:
    """A package's function; takes tensors, nested as its eager twin takes them."""

    def __init__(self, package: Path) -> None:
        import torch

        loaded = torch._inductor.aoti_load_package(str(package))  # pyright: ignore[reportPrivateUsage] - AOTInductor's documented entry point
        self._run = loaded.loader.boxed_run  # without reading the call's structure every time

    def __call__(self, *arguments: Any) -> Any:
        tensors: list[Any] = []
        _flatten(arguments, tensors)
        return self._run(tensors)[0]


def _flatten(nested: tuple[Any, ...], tensors: list[Any]) -> None:
    for item in nested:
        if isinstance(item, tuple):
            _flatten(item, tensors)  # pyright: ignore[reportUnknownArgumentType] - tensors, nested
        else:
            tensors.append(item)


def can_compile(precision: Precision, device: str) -> bool:
    """nf4's products are bitsandbytes' own; on a GPU nothing has been compiled yet."""
    return device == "cpu" and precision != "nf4"


def compiled_folder(home: Path, architecture: Architecture, precision: Precision) -> Path:
    """Where the code for these shapes, this torch, this processor and this source belongs."""
    import torch

    digest = hashlib.sha256()
    config = {**architecture.config.to_dict(), "_name_or_path": None}
    for fact in (
        precision,
        torch.__version__,
        torch.cpu.get_capabilities(),
        sorted(config.items(), key=str),
    ):
        digest.update(repr(fact).encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return home / digest.hexdigest()[:16]


def package_path(folder: Path, piece: str, width: int) -> Path:
    return folder / f"{piece}-{width}.pt2"


def load_pieces(folder: Path, eager: Pieces) -> Pieces | None:
    """None where the code is not there, or not all of it."""
    paths = {package: package_path(folder, *package) for package in PACKAGES}
    if not all(path.is_file() for path in paths.values()):
        return None
    packages = {package: CompiledPiece(path) for package, path in paths.items()}
    inward = {width: packages["project_in", width] for width in WIDTHS}
    outward = {width: packages["project_out", width] for width in WIDTHS}
    # The adapters are the fourth argument of the one and the third of the other.
    return Pieces(
        lambda *args: inward.get(args[3][0].shape[1], eager.project_in)(*args),
        packages["attend", 1],
        lambda *args: outward.get(args[2][0].shape[1], eager.project_out)(*args),
        packages["head", 1],
    )


class Compiler:
    """One compilation in a process of its own, at the lowest priority."""

    def __init__(self, base: Path, precision: Precision, folder: Path, eager: Pieces) -> None:
        self._folder = folder
        self._eager = eager
        self._command = [
            *("nice", "-n", str(NICENESS)),
            *(sys.executable, "-m", "serving.compile", str(base), precision, str(folder)),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self, when_ready: Callable[[Pieces], None]) -> None:
        """`when_ready` is called from another thread; never, if the compilation fails."""
        logger.info("Compiling for this machine in the background; answers are slower until then")
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        threading.Thread(
            target=self._wait, args=(self._process, when_ready), name="compiler", daemon=True
        ).start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _wait(self, process: "subprocess.Popen[str]", when_ready: Callable[[Pieces], None]) -> None:
        _, errors = process.communicate()
        pieces = load_pieces(self._folder, self._eager) if process.returncode == 0 else None
        if pieces is not None:
            when_ready(pieces)
        elif process.returncode > 0:
            reason = (errors.strip().splitlines() or ["no reason given"])[-1]
            logger.warning(
                "Nothing could be compiled (%s): answers stay correct, but slower. A C++ compiler "
                "helps: apt install g++",
                reason,
            )
