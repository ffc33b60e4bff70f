"""The process that checks a file: started, limited, and ended whatever happens."""

import asyncio
import logging
import signal
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from data.wording import N_, Language, _, speaking
from service.own_command import own_environment

from .check import MOST_PRINTED, OUT_OF_MEMORY, UNEXPECTED
from .check_report import CheckReport, failed

logger = logging.getLogger(__name__)

MODULE = "service.files.check"
MUCH_MEMORY = N_("reading it takes more memory than the {count:,} MB that a check may have")
MUCH_TIME = N_("reading it takes longer than the {count:,} seconds that a check may have")
BROKEN = N_("it could not be read; the server's log says more")
LONGEST_LOGGED = 2_000  # [characters]
# Threads that nobody needs here take memory for each core.
FEW_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


async def run_check(
    path: Path, language: Language, memory: int, seconds: int, most: int = MOST_PRINTED
) -> CheckReport:
    """Check a file in a process of its own, which may have so many bytes of memory and seconds, and
    may print so many bytes at most."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", MODULE, str(path), language, str(memory), str(seconds)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=own_environment() | FEW_THREADS,
    )
    try:
        async with asyncio.timeout(seconds):
            printed, said = await asyncio.gather(
                _read(process, process.stdout, most), _read(process, process.stderr, MOST_PRINTED)
            )
            await process.wait()
    except TimeoutError:
        return _failed(path.name, language, MUCH_TIME, seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if len(printed) > most:
        logger.warning("The check of a file printed more than %s bytes", most)
        return unreadable(path.name, language)
    if process.returncode == 0:
        return await run_in_threadpool(CheckReport.model_validate_json, printed)
    logger.warning(
        "The check of a file ended with %s: %s",
        process.returncode,
        said.decode(errors="replace").strip()[-LONGEST_LOGGED:],
    )
    return _ended(path.name, language, process.returncode or UNEXPECTED, memory, seconds)


async def _read(process: Process, stream: asyncio.StreamReader | None, most: int) -> bytes:
    """All that it prints; where that is more than `most`, it is ended."""
    assert stream is not None
    try:
        read = await stream.readexactly(most + 1)
    except asyncio.IncompleteReadError as error:
        return error.partial
    with suppress(ProcessLookupError):  # it has just ended
        process.kill()
    return read


def unreadable(name: str, language: Language) -> CheckReport:
    """The report of a file whose check fails, which is no fault that anybody could mend in it."""
    return _failed(name, language, BROKEN, 0)


def _ended(name: str, language: Language, code: int, memory: int, seconds: int) -> CheckReport:
    """What an exit code, or the number of a signal below zero, means."""
    if sys.platform != "win32":
        if code == -signal.SIGXCPU:
            return _failed(name, language, MUCH_TIME, seconds)
        # What is not Python's own aborts without memory, and the system kills.
        if code in (-signal.SIGABRT, -signal.SIGKILL):
            code = OUT_OF_MEMORY
    if code == OUT_OF_MEMORY:
        return _failed(name, language, MUCH_MEMORY, memory // 1_000_000)
    return unreadable(name, language)


def _failed(name: str, language: Language, told: str, count: int) -> CheckReport:
    with speaking(language):
        return failed(name, _("file"), _(told).format(count=count))
