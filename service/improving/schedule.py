"""Improving by itself: adapters with enough new accepted feedback, once a week."""

import asyncio
import logging
import math
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from finetune.adapters.versions import list_versions
from service.accounts.keys import DAY
from service.errors import StateUnavailable
from service.feedback.background import in_background
from service.feedback.item import REVIEWED
from service.jobs.start import training_environment
from service.settings import ServiceSettings
from service.state.database import State
from service.state.tables import FEEDBACK, JOBS

from .ledger import Ledger, What
from .round import FOLDER, Round

logger = logging.getLogger(__name__)

LOOK = 3600.0  # [seconds] from one look at what is due to the next
WEEK = 7 * DAY  # [seconds]
DECISIONS: tuple[What, ...] = ("promote", "refuse", "abstain")


class Schedule:
    """Knows what is due, and has it done in a process of its own, one adapter at a time."""

    def __init__(
        self,
        settings: ServiceSettings,
        state: State,
        place: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._state = state
        self._place = place
        self._clock = clock
        self._tried: dict[str, float] = {}  # when last [Unix seconds]

    def due(self) -> str | None:
        """The adapter that is to be improved now; None where none is, or a job runs. Asks the
        database: raises StateUnavailable."""
        ledger, adapters = Ledger(self._state, self._place), self._settings.home / "adapters"
        for adapter, num_new in self._accepted().most_common():
            if self._clock() - self._tried.get(adapter, -math.inf) < DAY:
                continue
            decided = (each for each in ledger.entries(adapter) if each.what in DECISIONS)
            last = next(decided, None)
            is_over = last is None or self._clock() - last.created >= WEEK
            is_enough = is_over and num_new >= self._settings.improve_from
            current = Round(self._settings.home, adapter, ledger.last_round(adapter) + 1)
            if (is_enough or current.is_frozen) and list_versions(adapters, adapter):
                return None if self._is_training() else adapter
        return None

    async def improve(self, adapter: str) -> int:
        """Have an adapter improved; returns the exit code when that is over. What is said goes into
        a log beside the rounds. A round that is ended, as with the server, goes on another time."""
        self._tried[adapter] = self._clock()
        self._log(adapter).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = str(self._settings.home)
        command = [sys.executable, "-m", "service.cli", "improve", adapter, "--home", home]
        environment = training_environment(self._settings.database)
        with self._log(adapter).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """See to it for as long as the block lasts."""
        async with in_background(self._repeat()):
            yield

    async def _repeat(self) -> None:
        while True:
            try:
                if adapter := await run_in_threadpool(self.due):
                    logger.info("Improving %s: %s says how it goes", adapter, self._log(adapter))
                    code = await self.improve(adapter)
                    logger.info("Improving %s has ended with %d", adapter, code)
            except (StateUnavailable, SQLAlchemyError, OSError) as error:
                logger.warning("What is to be improved is not known now: %s", error)
            await asyncio.sleep(LOOK)

    def _log(self, adapter: str) -> Path:
        return self._settings.home / FOLDER / f"{adapter}.log"

    def _accepted(self) -> Counter[str]:
        """How many accepted items of each adapter are in no training set; 0 for those of which all
        are in one."""
        accepted = FEEDBACK.c.state.in_((*REVIEWED, "in_training"))
        asked = select(FEEDBACK.c.pinned, FEEDBACK.c.side).where(accepted)
        found: Counter[str] = Counter()
        with self._state.begin() as connection:
            for pinned, side in connection.execute(asked.where(FEEDBACK.c.place == self._place)):
                if "+" not in pinned:
                    found[pinned.partition("@")[0]] += side is None
        return found

    def _is_training(self) -> bool:
        running = (JOBS.c.status == "running") & (JOBS.c.place == self._place)
        with self._state.begin() as connection:
            return connection.execute(select(JOBS.c.id).where(running)).first() is not None
