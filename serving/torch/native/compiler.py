"""The forward pass compiled for this machine."""

import logging
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from .kept import library_path, seal
from .kernels import X86, Kernel, kernels_here
from .library import Library
from .toolchain import compiler_words, find_compiler, steps

logger = logging.getLogger(__name__)

NICENESS = 19  # answering comes first


class CompilationFailed(Exception):
    """The message is the compiler's."""


WhenReady = Callable[[Library], None]


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
            linked = Path(folder) / "forward.so"
            for step in steps(kernel, _tuning(), linked):
                self._run(niceness, step)
            if not is_kept:
                return Library(linked)  # which needs its file no more
            seal(linked)
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

    def _run(self, niceness: int, arguments: Sequence[str]) -> None:
        """Raises CompilationFailed, and OSError where the compiler cannot be started."""
        with self._lock:
            if self.is_stopped:
                raise CompilationFailed("stopped")
            self._process = subprocess.Popen(
                [*_command(niceness), *arguments],
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


def _command(niceness: int) -> list[str]:
    """Raises CompilationFailed where no compiler is installed."""
    compiler = find_compiler()
    if compiler is None:
        raise CompilationFailed("no C++ compiler was found")
    nice = ["nice", "-n", str(niceness)] if shutil.which("nice") else []
    return [*nice, *compiler_words(compiler)]


def _tuning() -> list[str]:
    """Orders of instructions for this very processor; which ones there are, a kernel says."""
    return ["-mtune=native"] if platform.machine() in X86 else []
