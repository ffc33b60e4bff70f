"""Improving by itself: adapters with enough new accepted feedback, once a week."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from finetune.adapters.versions import list_versions, share_of
from service.accounts.keys import DAY
from service.errors import StateUnavailable
from service.feedback.background import in_background
from service.feedback.using import num_accepted
from service.settings import ServiceSettings
from service.state.database import State
from service.state.tables import JOBS

from .improver import Improver
from .ledger import Ledger, What
from .round import Round

logger = logging.getLogger(__name__)

LOOK = 3600.0  # [seconds] from one look at what is due to the next
WEEK = 7 * DAY  # [seconds]
DECISIONS: tuple[What, ...] = ("promote", "share", "refuse", "abstain")


class Schedule:
    """Knows what is due, and has it done in a process of its own, one adapter at a time."""

    def __init__(
        self,
        settings: ServiceSettings,
        state: State,
        place: str,
        improver: Improver,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._state = state
        self._place = place
        self._improver = improver
        self._clock = clock
        self._tried: dict[str, float] = {}  # when last [Unix seconds]

    def due(self) -> str | None:
        """The adapter that is to be improved now; None where none is, or a job runs. Asks the
        database: raises StateUnavailable."""
        ledger, adapters = Ledger(self._state, self._place), self._settings.home / "adapters"
        for adapter, num_new in num_accepted(self._state, self._place).most_common():
            if self._clock() - self._tried.get(adapter, -math.inf) < DAY:
                continue
            decided = (each for each in ledger.entries(adapter) if each.what in DECISIONS)
            last = next(decided, None)
            is_over = last is None or self._clock() - last.created >= WEEK
            is_enough = is_over and num_new >= self._settings.improve_from
            current = Round(self._settings.home, adapter, ledger.last_round(adapter) + 1)
            is_ready = current.is_frozen or (is_enough and share_of(adapters, adapter) is None)
            if is_ready and list_versions(adapters, adapter):
                return None if self._is_training() else adapter
        return None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """See to it for as long as the block lasts."""
        async with in_background(self._repeat()):
            yield

    async def _repeat(self) -> None:
        while True:
            try:
                if adapter := await run_in_threadpool(self.due):
                    self._tried[adapter] = self._clock()
                    await self._improver.improve(adapter)
            except (StateUnavailable, SQLAlchemyError, OSError) as error:
                logger.warning("What is to be improved is not known now: %s", error)
            await asyncio.sleep(LOOK)

    def _is_training(self) -> bool:
        running = (JOBS.c.status == "running") & (JOBS.c.place == self._place)
        with self._state.begin() as connection:
            return connection.execute(select(JOBS.c.id).where(running)).first() is not None
