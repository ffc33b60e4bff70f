"""One vLLM process of our own, from its start to its end, with all that it starts."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from .guard import GRACE

GUARD = Path(__file__).with_name("guard.py")
INTERVAL = 0.2  # [seconds] from one look at it to the next
SPARE = 5.0  # [seconds] for the guard, beyond what it gives vLLM
TAIL = 3000  # [bytes] of its log in a message


class Life:
    """A vLLM from its start to its end, in a process group of its own under a guard."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        """Raises OSError."""
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(GUARD), *command],
                stdin=subprocess.PIPE,  # that it closes is how the guard sees that we are gone
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> None:
        while self.exit_code is None:
            await asyncio.sleep(INTERVAL)

    async def end(self) -> None:
        """What is left of it, too, if it has ended by itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), GRACE + SPARE)
        if sys.platform != "win32":
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self.wait()

    def end_told(self) -> str:
        return f"vLLM has ended with code {self.exit_code}; {self.log_told()}"

    def log_told(self) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(max(self._log_start, self._log.stat().st_size - TAIL))
                said = file.read().decode("utf-8", "replace").strip()
        except OSError as error:
            said = f"(it cannot be read: {error.strerror})"
        return f"its log is {self._log}:\n{said}"
