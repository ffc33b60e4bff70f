"""The engine leaves memory while a job trains, and comes back for its result."""

import asyncio
import logging
import time

from service.errors import TrainingNow
from service.http.gate import Gate
from serving.engine import Engine

logger = logging.getLogger(__name__)

LOOK = 0.1  # [seconds] between two looks at who is still being answered


class SteppingAside:
    """Owns whether the engine is there."""

    def __init__(self, engine: Engine, gate: Gate, grace: float) -> None:
        self._engine = engine
        self._gate = gate
        self._grace = grace  # [seconds] to end answers in

    async def leave(self) -> None:
        """Take no more requests for answers, let those end that run, and free the base."""
        if self._gate.is_aside:
            return
        logger.info("A job is to be trained: no answers until it is done")
        self._gate.is_aside = True
        end = time.monotonic() + self._grace
        while self._gate.leashes and time.monotonic() < end:
            await asyncio.sleep(LOOK)
        self._gate.end_answers(TrainingNow())
        try:
            await self._engine.stop()
        except BaseException:
            self._gate.is_aside = False
            raise

    async def come_back(self) -> None:
        """Raises what starting an engine raises."""
        if not self._gate.is_aside:
            return
        await self._engine.start()
        self._gate.is_aside = False
        logger.info("Answering again")
