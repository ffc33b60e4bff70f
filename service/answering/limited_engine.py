"""An engine with limits: on what a request may ask for, and on how long its answer may take."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.errors import DeadlineExceeded, InvalidRequest
from service.http.gate import Gate
from service.http.leash import Leash
from service.settings import ServiceSettings
from serving.engine import Delta, Engine, Request
from serving.engine_around import EngineAround


class LimitedEngine(EngineAround):
    """Answers also end with whatever error the gate ends them with."""

    def __init__(self, engine: Engine, settings: ServiceSettings, gate: Gate) -> None:
        super().__init__(engine)
        self._settings = settings
        self._gate = gate

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
