"""The adapters' folder, watched: what is dropped into it is checked and in memory beforehand.

The store looks at the disk for every request, so nothing depends on this but the first answer's
speed and the log.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import anyio
from fastapi.concurrency import run_in_threadpool
from watchfiles import awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import NAME, folder_names
from serving.adapters.store import AdapterStore
from serving.engine import AdapterRef, Engine
from serving.errors import AdapterRefused, ServingError

logger = logging.getLogger(__name__)

ROUND = 400  # [milliseconds]; a folder that has not changed in one is taken to be whole
STEP = 50  # [milliseconds] of quiet that end a round in which something has changed
GROWTH = 2  # times its file is the most that an adapter takes in memory: float16 as float32
POLLING = 500  # [milliseconds] where the system cannot tell of changes


@asynccontextmanager
async def watching(engine: Engine, store: AdapterStore) -> AsyncGenerator[None]:
    """Watch for as long as the block lasts."""
    stop = anyio.Event()
    known = await run_in_threadpool(folder_names, store.adapters)
    watch = AdapterWatch(engine, store, stop, known)
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        stop.set()
        await task


class AdapterWatch:
    """Meets adapters that have come or changed, once their files keep still."""

    def __init__(
        self, engine: Engine, store: AdapterStore, stop: anyio.Event, known: Iterable[str]
    ) -> None:
        self._engine = engine
        self._store = store
        self._stop = stop
        self._known = set(known)  # names that need no greeting

    async def run(self) -> None:
        """Returns when it is told to stop, or where the folder cannot be watched."""
        folder = self._store.adapters
        try:
            await run_in_threadpool(folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            logger.warning(
                "Adapters copied into %s are loaded when they are asked for, not before: %s",
                folder,
                error,
            )
            return
        await self._look_through()
        try:
            await self._watch(is_polling=False)
        except (OSError, WatchfilesRustInternalError) as error:  # its limit of watches, say
            logger.info("Looking into %s twice a second, because of: %s", folder, error)
            await self._watch(is_polling=True)

    async def _look_through(self) -> None:
        """Read all cards, and all of what was not trained here; the log names what is damaged."""
        for entry in await run_in_threadpool(self._store.entries):
            if not self._stop.is_set():
                await self._examine(entry)

    async def _examine(self, entry: AdapterVersion) -> bool:
        try:
            await run_in_threadpool(self._store.examine, entry)
        except AdapterRefused:
            await run_in_threadpool(self._store.listed, entry.name)  # says so
            return False
        return True

    async def _watch(self, *, is_polling: bool) -> None:
        restless: set[str] | None = None  # names whose files changed in the last round
        folder = self._store.adapters
        async for changes in awatch(
            folder,
            watch_filter=None,
            debounce=ROUND,
            step=STEP,
            rust_timeout=ROUND,
            yield_on_timeout=True,
            stop_event=self._stop,
            force_polling=is_polling or None,  # None: as the environment says
            poll_delay_ms=POLLING,
        ):
            changed = {name for _, path in changes if (name := self._name_of(path))}
            if restless is None:  # those that came before anybody watched
                restless = set(await run_in_threadpool(folder_names, folder)) - self._known
            for name in sorted(restless - changed):
                await self._meet(name)
            restless = changed

    def _name_of(self, path: str) -> str | None:
        """None for what is being written beside the adapters."""
        inside = path.removeprefix(f"{self._store.adapters}{os.sep}")
        name = inside.partition(os.sep)[0]
        return name if NAME.fullmatch(name) else None

    async def _meet(self, name: str) -> None:
        try:
            entry = await run_in_threadpool(self._store.listed, name)
            if entry is None:
                await run_in_threadpool(self._miss, name)
                return
            if not await self._examine(entry):
                return
            ref = await run_in_threadpool(self._store.pin, entry)
            is_loaded = self._engine.holds(ref) or await self._load(entry, ref)
        except ServingError as error:  # of one adapter, which the next request for it meets, too
            logger.warning("The adapter %s cannot be loaded: %s", name, error)
            return
        except Exception:  # the task's border: the next adapter is met all the same
            logger.exception("The adapter %s cannot be loaded", name)
            return
        self._known.add(name)
        logger.info("The adapter %s is here%s", ref, ", in memory" if is_loaded else "")

    def _miss(self, name: str) -> None:
        if name in self._known and not (self._store.adapters / name).exists():
            self._known.discard(name)
            logger.info("The adapter %s is gone", name)

    async def _load(self, entry: AdapterVersion, ref: AdapterRef) -> bool:
        """Load it where no other has to leave memory for it."""
        stats = self._engine.stats()
        most = GROWTH * entry.num_bytes
        if stats.num_resident_bytes + most > stats.max_resident_bytes:
            return False
        await self._engine.load(ref)
        return True
