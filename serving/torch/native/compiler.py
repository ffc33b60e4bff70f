"""The compiled forward pass for this machine: found under home, or compiled for it."""

import contextlib
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from .kernels import X86, Kernel, kernels_here
from .library import Library

logger = logging.getLogger(__name__)

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
NICENESS = 19  # answering comes first
TELLING = ("flags", "model", "Features", "CPU implementer", "CPU part")  # lines on x86 and Arm


class CompilationFailed(Exception):
    """The message is the compiler's."""


WhenReady = Callable[[Library], None]


def library_path(folder: Path, kernel: Kernel | None = None) -> Path:
    """Where the code for this processor's best kernel, or another, and this source belongs."""
    import torch

    kernel = kernel or kernels_here()[0]
    made_of = (kernel.name, kernel.flags, FLAGS, LINK_FLAGS, torch.__version__, processor())
    digest = hashlib.sha256(repr(made_of).encode())
    for source in sorted(SOURCES.rglob("*.*pp")):
        digest.update(source.read_bytes())
    return folder / f"forward-{kernel.name}-{digest.hexdigest()[:16]}.so"


def find_library(folder: Path) -> Library | None:
    """The best that has been compiled for this processor."""
    found = (load(library_path(folder, kernel)) for kernel in kernels_here())
    return next((library for library in found if library is not None), None)


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
        with contextlib.suppress(OSError):  # where home may not be written
            path.unlink(missing_ok=True)
        return None


class Compiler:
    """One compilation, beside the answers at the lowest priority, or before them."""

    def __init__(self, folder: Path, kernels: Sequence[Kernel] | None = None) -> None:
        """kernels: of which the first that the compiler knows is taken."""
        self._folder = folder
        self._kernels = kernels or kernels_here()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self.is_stopped = False
        self.is_at_work = False

    def start(self, when_ready: WhenReady) -> None:
        """`when_ready` is called from another thread; never, if the compilation fails."""
        logger.info("Compiling for this machine in the background; answers are slower until then")

        def compile() -> None:
            try:
                library = self._compile(NICENESS)
                if library is not None and not self.is_stopped:
                    when_ready(library)
            except Exception:  # the thread's border
                logger.exception("Compiled code cannot be used: answers go on without it")
            finally:
                self.is_at_work = False

        self.is_at_work = True
        self._thread = threading.Thread(target=compile, name="compiler", daemon=True)
        self._thread.start()

    def run(self) -> Library | None:
        """Compile while everything waits; None if that fails."""
        logger.info("Compiling for this machine, once: half a minute or so")
        return self._compile(0)

    def stop(self) -> None:
        """Returns when the thread has ended: a process that ends before it is aborted, in the
        middle of its loading or timing. `when_ready` looks at `is_stopped` now and then."""
        with self._lock:
            self.is_stopped = True
            if self._process is not None:
                _kill(self._process)
        if self._thread is not None:
            self._thread.join()

    def _compile(self, niceness: int) -> Library | None:
        """A warning says why nothing could be compiled."""
        faults: list[str] = []
        for kernel in self._kernels:
            try:
                return self._compile_one(kernel, niceness)
            except (CompilationFailed, OSError) as error:
                faults.append(f"{kernel.name}: {error}")
            if self.is_stopped:
                return None
        logger.warning(
            "Nothing could be compiled (%s): answers stay correct, but slower. A C++ compiler "
            "helps: apt install g++",
            faults[0],
        )
        return None

    def _compile_one(self, kernel: Kernel, niceness: int) -> Library:
        """Raises CompilationFailed, and OSError where what was made cannot be loaded or kept."""
        path = library_path(self._folder, kernel)
        is_kept = self._can_keep()
        with tempfile.TemporaryDirectory(dir=path.parent if is_kept else None) as folder:
            compiled, linked = Path(folder) / "forward.o", Path(folder) / "forward.so"
            own = (*FLAGS, kernel.definition, *kernel.flags, *_tuning())
            self._run(niceness, "-c", SOURCES / "library.cpp", *own, "-o", compiled)
            self._run(niceness, compiled, *LINK_FLAGS, "-o", linked)
            if not is_kept:
                return Library(linked)  # which needs its file no more
            _seal(linked)
            linked.replace(path)
        try:
            return Library(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def _can_keep(self) -> bool:
        """A warning says why what is compiled serves this start alone."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._folder).close()
        except OSError as error:
            logger.warning("What is compiled is not kept for the next start: %s", error)
            return False
        return True

    def _run(self, niceness: int, *arguments: str | Path) -> None:
        """Raises CompilationFailed, and OSError where the compiler cannot be started."""
        with self._lock:
            if self.is_stopped:
                raise CompilationFailed("stopped")
            self._process = subprocess.Popen(
                [*_command(niceness), *map(str, arguments)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        _, errors = self._process.communicate()
        if self._process.returncode != 0:
            lines = errors.strip().splitlines() or [f"exit {self._process.returncode}"]
            raise CompilationFailed(next((line for line in lines if "error" in line), lines[0]))


def _kill(process: subprocess.Popen[str]) -> None:
    """And what it has started: g++ has others do the work, and they hold the pipe that is read."""
    with suppress(psutil.NoSuchProcess):
        driver = psutil.Process(process.pid)
        driver.suspend()  # or it would start the next one meanwhile
        for started in driver.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                started.kill()
    process.kill()


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
    return "\n".join(sorted({line for line in lines if line.startswith(TELLING)}))
