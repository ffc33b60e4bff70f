"""Improvements that a server has done, each in a process of its own."""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from service.jobs.start import training_environment
from service.settings import ServiceSettings

from .round import FOLDER, check_alone

logger = logging.getLogger(__name__)

LAST = 4000  # [bytes] of a log


class Improver:
    """Owns those processes. A round that is ended, as with the server, goes on another time."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def log(self, adapter: str) -> Path:
        """Where what is said of it goes, beside its rounds."""
        return self._settings.home / FOLDER / f"{adapter}.log"

    def is_at(self, adapter: str) -> bool:
        task = self._tasks.get(adapter)
        return task is not None and not task.done()

    async def begin(self, adapter: str, share: int | None = None) -> None:
        """Have it done while requests go on. Raises JobRefused where it is being done already."""
        await run_in_threadpool(check_alone, self._settings.home, adapter)
        if not self.is_at(adapter):
            self._tasks[adapter] = asyncio.create_task(self._improve(adapter, share))

    async def improve(self, adapter: str, share: int | None = None) -> int:
        """Have an adapter improved; returns the exit code when that is over. What is better answers
        a `share` [percent] of the requests first."""
        share = self._settings.improve_share if share is None else share
        home = str(self._settings.home)
        command = [sys.executable, "-m", "service.cli", "improve", adapter, "--home", home]
        command += [] if share is None else ["--share", f"{share}%"]
        environment = training_environment(self._settings.database)
        log = self.log(adapter)
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        logger.info("Improving %s: %s says how it goes", adapter, log)
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
            )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        logger.info("Improving %s has ended with %d", adapter, code)
        return code

    async def _improve(self, adapter: str, share: int | None) -> None:
        try:
            await self.improve(adapter, share)
        except OSError as error:
            logger.warning("%s cannot be improved: %s", adapter, error)

    def said(self, adapter: str) -> str:
        """The end of the log; "" where there is none."""
        try:
            with self.log(adapter).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - LAST))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """A block after which none goes on."""
        try:
            yield
        finally:
            tasks = [*self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
