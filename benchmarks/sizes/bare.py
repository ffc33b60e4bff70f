"""What the machine gives to bare loops: bytes of memory and of the disk, products of int8."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.serving.loop import run_loop

SOURCE = Path(__file__).parent / "read.cpp"
READ_BYTES = 1 << 30  # more than caches keep
PIECE = 8 << 20  # [bytes] of a file that are read at a time


def memory_bandwidth(threads: int) -> float | None:
    """[bytes/s] that so many threads read together; None without a C++ compiler. Raises
    ProgramFailed."""
    return run_loop(SOURCE, ["-O3", "-march=native"], threads, READ_BYTES)


def forget_files(paths: Iterable[Path]) -> None:
    """Have the system read them from the disk the next time."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def reading_seconds(paths: Iterable[Path]) -> float:
    """How long it takes to read whole files, one after the other, into the same few bytes."""
    buffer = bytearray(PIECE)
    begin = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.perf_counter() - begin
