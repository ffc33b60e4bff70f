"""An engine around another one: it adds something to answers and passes all else on."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

from .engine import AdapterRef, Delta, Engine, EngineStats, LoadReport, Request


class EngineAround(ABC):
    """An `Engine`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def context_length(self) -> int:
        return self._engine.context_length

    async def start(self) -> None:
        await self._engine.start()

    async def stop(self) -> None:
        await self._engine.stop()

    async def load(self, adapter: AdapterRef) -> LoadReport:
        return await self._engine.load(adapter)

    async def unload(self, adapter: AdapterRef) -> int:
        return await self._engine.unload(adapter)

    def holds(self, adapter: AdapterRef) -> bool:
        return self._engine.holds(adapter)

    def stats(self) -> EngineStats:
        return self._engine.stats()

    @abstractmethod
    def submit(self, request: Request) -> AsyncGenerator[Delta]: ...
