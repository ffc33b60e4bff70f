"""How a server becomes ready from a folder on the disk: seconds and memory, cold and warm."""

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.serving.ours import OurServer, our_server
from service.bench.figures import Figures

from .bare import forget_files, reading_seconds
from .memory import MemoryWatch
from .sitting import Sitting

OURS = "lora-chat"
NOTHING = "a start with nothing to load"
COLD, WARM = "a start from the disk", "a start from the system's cache"
LONGEST = 1500  # [seconds] of a start


def measure_starts(sitting: Sitting, tiny: Path) -> None:
    """A tiny base shows what a start takes without any weights; the first time, code is compiled
    meanwhile, which does not count."""
    if sitting.lacks(OURS, NOTHING) and not sitting.is_short:
        with watched_server(sitting, "compiling", tiny) as (server, _):
            server.wait_until_compiled()
    sitting.measure(OURS, NOTHING, lambda: _start(sitting, tiny))
    sitting.measure(OURS, COLD, lambda: _cold_start(sitting))
    sitting.measure(OURS, WARM, lambda: _start(sitting, sitting.base))


@contextmanager
def watched_server(
    sitting: Sitting, name: str, base: Path
) -> Generator[tuple[OurServer, MemoryWatch]]:
    """Our server with its defaults, its memory watched from the beginning to its end."""
    options = (
        "--precision",
        sitting.least.precision,
        *(["--no-compile"] if sitting.is_short else []),
    )
    with ExitStack() as stack:
        watches: list[MemoryWatch] = []

        def watch(process_id: int) -> None:
            watches.append(stack.enter_context(MemoryWatch(process_id)))

        with our_server(
            sitting.home,
            log=sitting.log(name),
            base=str(base),
            options=options,
            timeout=LONGEST,
            on_start=watch,
        ) as server:
            yield server, watches[0]


def _cold_start(sitting: Sitting) -> Figures:
    forget_files(sitting.weight_files)
    reading = reading_seconds(sitting.weight_files)
    forget_files(sitting.weight_files)
    return {"reading_seconds": reading, **_start(sitting, sitting.base)}


def _start(sitting: Sitting, base: Path) -> Figures:
    begin = time.perf_counter()
    with watched_server(sitting, "start", base) as (_, watch):
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, **memory_of(watch)}


def memory_of(watch: MemoryWatch) -> Figures:
    """What it has been at the highest so far."""
    return {"anonymous_bytes": watch.anonymous, "resident_bytes": watch.resident}
