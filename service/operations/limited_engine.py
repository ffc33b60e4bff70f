"""An engine with limits: on what a request may ask for, and on how long its answer may take."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.errors import DeadlineExceeded, InvalidRequest
from service.settings import ServiceSettings
from serving.engine import AdapterRef, Delta, Engine, EngineStats, LoadReport, Request

from .gate import Gate
from .leash import Leash


class LimitedEngine:
    """An `Engine`. Answers also end with whatever error the gate ends them with."""

    def __init__(self, engine: Engine, settings: ServiceSettings, gate: Gate) -> None:
        self._engine = engine
        self._settings = settings
        self._gate = gate

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

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self._check(request)
        leash, seconds = Leash(), self._settings.deadline
        error = DeadlineExceeded(seconds)
        timer = asyncio.get_running_loop().call_later(seconds, leash.end, error)
        self._gate.leashes.add(leash)
        try:
            async with aclosing(self._engine.submit(request)) as deltas:
                while (delta := await leash.pull(deltas)) is not None:
                    yield delta
        finally:
            timer.cancel()
            self._gate.leashes.discard(leash)

    def _check(self, request: Request) -> None:
        prompt, answer = len(request.prompt_ids), request.sampling.max_tokens
        most_prompt = self._settings.max_prompt_tokens
        most_answer = self._settings.max_output_tokens
        if most_prompt is not None and prompt > most_prompt:
            raise InvalidRequest(
                f"The prompt has {prompt} tokens, and this server takes {most_prompt} at most. "
                "Shorten it.",
                "messages",
                "context_length_exceeded",
            )
        if most_answer is not None and answer > most_answer:
            raise InvalidRequest(
                f"The request asks for up to {answer} tokens, and this server answers with "
                f"{most_answer} at most. Ask for fewer.",
                "max_tokens",
            )
