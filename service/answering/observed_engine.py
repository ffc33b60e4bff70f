"""An engine that is watched: counts and times what another one answers."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from time import perf_counter

from starlette.concurrency import run_in_threadpool

from service.errors import ServiceError
from service.telemetry.metrics import Metrics
from service.telemetry.request_record import RequestRecord, current_record
from serving.engine import Delta, Engine, Request
from serving.engine_around import EngineAround
from serving.errors import ServingError

CANCELLED = "cancelled"
FAILED = "failed"
Decode = Callable[[tuple[int, ...]], str]


class ObservedEngine(EngineAround):
    """`decode` makes text of prompts, for logs that shall have content."""

    def __init__(self, engine: Engine, metrics: Metrics, decode: Decode | None = None) -> None:
        super().__init__(engine)
        self._metrics = metrics
        self._decode = decode

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        record = await self._begin(request)
        observe_token = self._metrics.token_seconds.observe
        texts = record.answers.setdefault(request.id, []) if self._decode else None
        outcome, num_tokens = FAILED, 0
        began = last = perf_counter()
        try:
            async with aclosing(self._engine.submit(request)) as deltas:
                async for delta in deltas:
                    if outcome == FAILED:
                        self._count(record, request)
                    if delta.token_ids:
                        now = perf_counter()
                        if num_tokens:
                            observe_token(now - last)
                        else:
                            self._note_first(record, now - began)
                        last = now
                        num_tokens += len(delta.token_ids)
                    if texts is not None:
                        texts.append(delta.text)
                    outcome = delta.finish_reason or CANCELLED  # if nobody asks for more
                    yield delta
        except asyncio.CancelledError:
            outcome = CANCELLED
            raise
        except (ServingError, ServiceError) as error:
            outcome = type(error).__name__
            record.has_failed = True
            raise
        finally:
            self._end(record, num_tokens, outcome)

    async def _begin(self, request: Request) -> RequestRecord:
        record = current_record.get() or RequestRecord(request.id)
        record.model = self._metrics.model(request.blend)
        record.adapters = tuple(str(ref) for ref, _ in request.blend)
        if record.prompt_ids is not request.prompt_ids:
            record.prompt_ids = request.prompt_ids
            record.prompt_tokens += len(request.prompt_ids)
            if self._decode is not None:
                record.prompt = await run_in_threadpool(self._decode, request.prompt_ids)
        return record

    def _count(self, record: RequestRecord, request: Request) -> None:
        """What the engine has taken; a prompt once for all its answers."""
        self._metrics.count_adapters(request.blend)
        if record.counted_ids is not request.prompt_ids:
            record.counted_ids = request.prompt_ids
            self._metrics.prompt_tokens.labels(record.model).inc(len(request.prompt_ids))

    def _note_first(self, record: RequestRecord, seconds: float) -> None:
        self._metrics.first_token_seconds.observe(seconds)
        if record.first_token is None:
            record.first_token = record.seconds

    def _end(self, record: RequestRecord, num_tokens: int, outcome: str) -> None:
        record.completion_tokens += num_tokens
        if outcome != CANCELLED or not record.has_failed:  # which ends the other answers
            record.outcome = outcome
        self._metrics.completion_tokens.labels(record.model).inc(num_tokens)
        self._metrics.answers.labels(record.model, outcome).inc()
