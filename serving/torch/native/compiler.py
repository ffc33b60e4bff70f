"""The compiled forward pass for this machine: found under home, or compiled for it."""

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from .kernels import X86, Kernel, kernel_here
from .library import Library

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "cpp"
COMPILERS = ("g++", "c++", "clang++")  # after $CXX
FLAGS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-w"),
    *("-fPIC", "-fopenmp"),
    "-fvisibility=hidden",  # two kernels in one process have nothing in common
)
# Not with -fopenmp: the runtime is torch's own, found when the library is loaded. A second one
# would have threads of its own, and each would wait, busily, beside the other's.
LINK_FLAGS = ("-shared",)
NICENESS = 19  # answering comes first


class CompilationFailed(Exception):
    """The message is the compiler's."""


WhenReady = Callable[[Library], None]


def library_path(folder: Path, kernel: Kernel | None = None) -> Path:
    """Where the code for this processor, or a kernel of it, and this source belongs."""
    import torch

    kernel = kernel or kernel_here()
    made_of = (kernel.name, kernel.flags, FLAGS, LINK_FLAGS, torch.__version__, processor())
    digest = hashlib.sha256(repr(made_of).encode())
    for source in sorted(SOURCES.rglob("*.*pp")):
        digest.update(source.read_bytes())
    return folder / f"forward-{kernel.name}-{digest.hexdigest()[:16]}.so"


def load(path: Path) -> Library | None:
    """None where there is no library. One that cannot be loaded is removed."""
    if not path.is_file():
        return None
    try:
        if not _is_sealed(path):  # loading half a library would end the process
            raise OSError(f"{path.name} is not as it was written")
        return Library(path)
    except OSError as error:
        logger.warning("Compiled code is damaged and is made again (%s)", error)
        path.unlink(missing_ok=True)
        return None


class Compiler:
    """One compilation, beside the answers at the lowest priority, or before them."""

    def __init__(self, path: Path, kernel: Kernel | None = None) -> None:
        self.path = path
        self._kernel = kernel
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def start(self, when_ready: WhenReady) -> None:
        """`when_ready` is called from another thread; never, if the compilation fails."""
        logger.info("Compiling for this machine in the background; answers are slower until then")

        def compile() -> None:
            library = self._compile(NICENESS)
            if library is not None and not self._is_stopped:
                when_ready(library)

        threading.Thread(target=compile, name="compiler").start()

    def run(self) -> Library | None:
        """Compile while everything waits; None if that fails."""
        logger.info("Compiling for this machine, once: half a minute or so")
        return self._compile(0)

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _compile(self, niceness: int) -> Library | None:
        """A warning says why nothing could be compiled."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
                compiled, linked = Path(folder) / "forward.o", Path(folder) / "forward.so"
                kernel = self._kernel or kernel_here()
                own = (kernel.definition, *kernel.flags, *_tuning())
                self._run(niceness, "-c", SOURCES / "library.cpp", *FLAGS, *own, "-o", compiled)
                self._run(niceness, compiled, *LINK_FLAGS, "-o", linked)
                _seal(linked)
                linked.replace(self.path)
            return load(self.path)
        except (CompilationFailed, OSError) as error:
            if not self._is_stopped:
                logger.warning(
                    "Nothing could be compiled (%s): answers stay correct, but slower. A C++ "
                    "compiler helps: apt install g++",
                    error,
                )
            return None

    def _run(self, niceness: int, *arguments: str | Path) -> None:
        """Raises CompilationFailed, and OSError where the compiler cannot be started."""
        with self._lock:
            if self._is_stopped:
                raise CompilationFailed("stopped")
            self._process = subprocess.Popen(
                [*_command(niceness), *map(str, arguments)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        _, errors = self._process.communicate()
        if self._process.returncode != 0:
            lines = errors.strip().splitlines() or [f"exit {self._process.returncode}"]
            raise CompilationFailed(next((line for line in lines if "error" in line), lines[0]))


def _seal(path: Path) -> None:
    """Append the file's digest: what lies behind a library's sections is not read."""
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())


def _is_sealed(path: Path) -> bool:
    content = path.read_bytes()
    end = len(content) - hashlib.sha256().digest_size
    return end > 0 and hashlib.sha256(content[:end]).digest() == content[end:]


def find_compiler() -> str | None:
    """What $CXX says, or the first one that is installed."""
    return os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), None)


def _command(niceness: int) -> list[str]:
    """Raises CompilationFailed where no compiler is installed."""
    compiler = find_compiler()
    if compiler is None:
        raise CompilationFailed("no C++ compiler was found")
    nice = ["nice", "-n", str(niceness)] if shutil.which("nice") else []
    return [*nice, *(compiler.split() if "CXX" in os.environ else [compiler])]


def _tuning() -> list[str]:
    """Orders of instructions for this very processor; which ones there are, a kernel says."""
    return ["-mtune=native"] if platform.machine() in X86 else []


def processor() -> str:
    """What tells it from others."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "model"))}))
