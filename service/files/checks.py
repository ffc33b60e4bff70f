"""Which file is checked when: what somebody waits for at once, the rest in its turn."""

import asyncio
import logging
from collections import Counter, OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool

from data.wording import Language
from service.errors import StateUnavailable

from .check import SMALL
from .check_process import run_check, unreadable
from .check_report import CheckReport
from .files import Files
from .stored_file import StoredFile

logger = logging.getLogger(__name__)

PATIENCE = 20  # [seconds] that the upload of a small file waits for its check
SLOWEST = 128 * 1024  # [bytes a second] that a large file may be read with
SMALL_AT_ONCE, LARGE_AT_ONCE = 2, 1
MOST_KEPT = 16  # reports
HOUR = 3600.0  # [seconds]
MINUTE = 60  # [seconds]
MOST_FAILURES = 2  # of a file's checks that nobody expects; then it is one that cannot be read

EXPECTED = (StateUnavailable, OSError)  # which come and go

Key = tuple[str, Language]  # a file's id
Result = TypeVar("Result")


class FileChecks:
    """Checks the files of a home. Each key has a check at a time of small files, and of large."""

    def __init__(
        self,
        files: Files,
        memory: int,
        seconds: int,
        sweeps_every: float = HOUR,
        looks_every: float = MINUTE,
    ) -> None:
        self._files = files
        self._memory = memory  # [bytes] that a check may take
        self._seconds = seconds  # that any check may take; those of large files more
        self._sweeps_every = sweeps_every  # [seconds]
        self._looks_every = looks_every  # [seconds]
        self._reports: OrderedDict[Key, CheckReport] = OrderedDict()  # the last ones asked for
        self._running: dict[Key, asyncio.Task[CheckReport]] = {}
        self._settling: dict[str, asyncio.Task[None]] = {}  # by the ids of files
        self._failures: Counter[str] = Counter()
        self._lanes = {
            True: asyncio.Semaphore(SMALL_AT_ONCE),
            False: asyncio.Semaphore(LARGE_AT_ONCE),
        }
        self._lines: defaultdict[tuple[str, bool], asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Sweep and check for as long as the block lasts; what was left unchecked comes first."""
        await self._try(self._files.sweep)
        await self._take_up(0)
        repeating = [asyncio.create_task(each) for each in (self._sweep(), self._look())]
        try:
            yield
        finally:
            checking = *self._settling.values(), *self._running.values()
            tasks: list[asyncio.Task[Any]] = [*repeating, *checking]
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

    async def _sweep(self) -> None:
        """Remove what has expired, again and again."""
        while True:
            await asyncio.sleep(self._sweeps_every)
            await self._try(self._files.sweep)

    async def _look(self) -> None:
        """Take up, again and again, what another server of this home was to check and did not, and
        what this one could not."""
        while True:
            await asyncio.sleep(self._looks_every)
            await self._take_up(MINUTE)

    async def _take_up(self, seconds: int) -> None:
        """Check all that has waited so long, and that this process is not checking already."""
        for file in await self._try(partial(self._files.unchecked, seconds)) or []:
            if file.id not in self._settling:
                self._settle_later(file, "en")

    async def _try(self, work: Callable[[], Result]) -> Result | None:
        """What is tried in a thread now, and else the next time."""
        try:
            return await run_in_threadpool(work)
        except EXPECTED as error:
            logger.warning("Old files stay as they are for another while: %s", error)
        except Exception:  # the border of what is done again and again
            logger.warning("Old files stay as they are for another while", exc_info=True)
        return None

    def _settle_later(self, file: StoredFile, language: Language) -> asyncio.Task[None]:
        task = asyncio.create_task(self._settle(file, language))
        self._settling[file.id] = task
        task.add_done_callback(lambda _: self._settling.pop(file.id))
        return task

    async def _settle(self, file: StoredFile, language: Language) -> None:
        for find in (self.report, _give_up):
            try:
                await self._note(file, await find(file, language))
                self._failures.pop(file.id, None)
                return
            except EXPECTED as error:
                logger.warning("A file stays unchecked for another while: %s", error)
                return
            except Exception:  # the task's border: the next look comes all the same
                logger.warning("The check of a file has failed", exc_info=True)
                self._failures[file.id] += 1
                if self._failures[file.id] < MOST_FAILURES:
                    return

    async def _note(self, file: StoredFile, found: CheckReport) -> None:
        count = None if found.num_faults else found.num_conversations
        told = found.status, found.details, count
        await run_in_threadpool(self._files.settle, file.id, *told)

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


async def _give_up(file: StoredFile, language: Language) -> CheckReport:
    return unreadable(file.filename, language)
