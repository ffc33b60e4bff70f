"""Which file is checked when: what somebody waits for at once, the rest in its turn."""

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi.concurrency import run_in_threadpool

from data.wording import Language
from service.errors import StateUnavailable

from .check import SMALL
from .check_process import run_check
from .check_report import CheckReport
from .files import Files
from .stored_file import StoredFile

logger = logging.getLogger(__name__)

PATIENCE = 20  # [seconds] that the upload of a small file waits for its check
SLOWEST = 128 * 1024  # [bytes a second] that a large file may be read with
SMALL_AT_ONCE, LARGE_AT_ONCE = 2, 1
MOST_KEPT = 16  # reports
HOUR = 3600.0  # [seconds]

Key = tuple[str, Language]  # a file's id


class FileChecks:
    """Checks the files of a home. Each key has a check at a time of small files, and of large."""

    def __init__(self, files: Files, memory: int, seconds: int, sweeps_every: float = HOUR) -> None:
        self._files = files
        self._memory = memory  # [bytes] that a check may take
        self._seconds = seconds  # that any check may take; those of large files more
        self._sweeps_every = sweeps_every  # [seconds]
        self._reports: OrderedDict[Key, CheckReport] = OrderedDict()  # the last ones asked for
        self._running: dict[Key, asyncio.Task[CheckReport]] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._lanes = {
            True: asyncio.Semaphore(SMALL_AT_ONCE),
            False: asyncio.Semaphore(LARGE_AT_ONCE),
        }
        self._lines: defaultdict[tuple[str, bool], asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Sweep and check for as long as the block lasts; what was left unchecked comes first."""
        await self._begin()
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            tasks: list[asyncio.Task[Any]] = [sweeping, *self._settling, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, file: StoredFile, language: Language) -> StoredFile:
        """Check a new file; returns it as it stands then, or, of a large one, soon."""
        task = self._settle_later(file, language)
        if file.num_bytes <= SMALL:
            await asyncio.wait([task], timeout=PATIENCE)
        return await run_in_threadpool(self._files.find, file.id)

    async def report(self, file: StoredFile, language: Language) -> CheckReport:
        """What a check finds in a file, which never changes: the last reports are kept."""
        key = file.id, language
        if key in self._reports:
            self._reports.move_to_end(key)
            return self._reports[key]
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._check(key, file))
        # Whoever goes away leaves the check to those who come again.
        return await asyncio.shield(self._running[key])

    async def _begin(self) -> None:
        try:
            await run_in_threadpool(self._files.sweep)
            for file in await run_in_threadpool(self._files.unchecked):
                self._settle_later(file, "en")
        except (StateUnavailable, OSError) as error:
            logger.warning("What is left of old files stays until the next start: %s", error)

    async def _sweep(self) -> None:
        """Remove what has expired, again and again."""
        while True:
            await asyncio.sleep(self._sweeps_every)
            try:
                await run_in_threadpool(self._files.sweep)
            except (StateUnavailable, OSError) as error:
                logger.warning("Files that have expired stay for another while: %s", error)

    def _settle_later(self, file: StoredFile, language: Language) -> asyncio.Task[None]:
        task = asyncio.create_task(self._settle(file, language))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _settle(self, file: StoredFile, language: Language) -> None:
        try:
            found = await self.report(file, language)
            count = None if found.num_faults else found.num_conversations
            told = found.status, found.details, count
            await run_in_threadpool(self._files.settle, file.id, *told)
        except (StateUnavailable, OSError) as error:
            logger.warning("A file stays unchecked until the next start: %s", error)

    async def _check(self, key: Key, file: StoredFile) -> CheckReport:
        is_small = file.num_bytes <= SMALL
        try:
            async with self._lines[file.key_id, is_small], self._lanes[is_small]:
                seconds = self._seconds + file.num_bytes // SLOWEST
                path = self._files.path(file)
                report = await run_check(path, key[1], self._memory, seconds)
            self._reports[key] = report
            while len(self._reports) > MOST_KEPT:
                self._reports.popitem(last=False)
            return report
        finally:
            del self._running[key]
