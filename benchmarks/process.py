"""A server as a process: in a group of its own, with a log, waited for and surely stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

START_TIMEOUT = 300  # [seconds]
STOP_TIMEOUT = 10  # [seconds]
PAUSE = 0.05  # [seconds] between two looks at what is ending
LOG_TAIL = 2000  # [characters] of a log in an error message

Found = TypeVar("Found")


class ProgramFailed(Exception):
    """A program did not start or did not do its work."""


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(
        self,
        look: Callable[[], Found | None],
        pause: float = 0.2,
        timeout: float = START_TIMEOUT,
    ) -> Found:
        """What `look` finds at last. Raises ProgramFailed if the process ends or takes too long."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ProgramFailed(
                    f"It ended with code {self.process.returncode}; {self.log}:\n{tail(self.log)}"
                )
            if (found := look()) is not None:
                return found
            time.sleep(pause)
        raise ProgramFailed(
            f"It was not ready after {timeout:.0f} s; {self.log}:\n{tail(self.log)}"
        )


@contextmanager
def running(
    command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
) -> Generator[Running]:
    """Run a program in a process group of its own, so that what it starts ends with it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(variables or {})},
            start_new_session=True,
        )
        try:
            yield Running(process, log)
        finally:
            _stop(process)


def tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)
    with suppress(ProcessLookupError):  # also what outlives its parent
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + STOP_TIMEOUT
    while _has_members(process.pid) and time.monotonic() < deadline:
        time.sleep(PAUSE)  # a child holds a device's memory until it is gone, too


def _has_members(group: int) -> bool:
    """Whether a process of the group still runs; one that nobody has collected does not."""
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
