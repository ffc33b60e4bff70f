"""How answers go and what they cost: told to the metrics, to the log, and to who pays."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Self

from starlette.concurrency import run_in_threadpool

from service.accounts.caller import current_caller
from service.accounts.charging import Charging
from service.accounts.usage import Count
from service.errors import ServiceError
from service.telemetry.metrics import Metrics
from service.telemetry.request_record import RequestRecord, current_record
from serving.engine import Delta
from serving.errors import ServingError

from .job import AnswerJob

CANCELLED = "cancelled"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Metering:
    """Where it is told."""

    metrics: Metrics
    charging: Charging | None = None  # None: nobody pays
    decode: Callable[[tuple[int, ...]], str] | None = None  # of prompts, where logs have content


class Meter:
    """The meter of one job: its answers are one request, and a prompt counts once for all of its
    own."""

    def __init__(self, metering: Metering, job: AnswerJob, models: Sequence[str]) -> None:
        """`models` are the names that the caller pays for."""
        self.metrics = metering.metrics
        self._charging = metering.charging
        self._decode = metering.decode
        self._job = job
        self._prompts = job.prompts
        self._models = "+".join(models)
        self._caller = current_caller.get()
        self._told: set[int] = set()  # prompts, by their index: that the log has
        self._taken: set[int] = set()  # that the engine has taken
        self._paid: set[int] = set()
        self._has_failed = False  # one of the answers
        self._record = current_record.get() or RequestRecord("")
        self._record.model = self.metrics.model(job.blend)
        self._record.adapters = tuple(str(ref) for ref, _ in job.blend)
        self._record.prompt_tokens += sum(map(len, self._prompts))

    async def answer(self, index: int) -> "AnswerMeter":
        prompt = index // self._job.num_choices
        if self._decode is None:
            return AnswerMeter(self, prompt)
        if prompt not in self._told:
            self._told.add(prompt)
            self._record.prompt = await run_in_threadpool(self._decode, self._prompts[prompt])
        return AnswerMeter(self, prompt, self._record.answers.setdefault(index, []))

    def take(self, prompt: int) -> None:
        """The engine has taken an answer's request."""
        self.metrics.count_adapters(self._job.blend)
        if prompt not in self._taken:
            self._taken.add(prompt)
            counted = self.metrics.prompt_tokens.labels(self._record.model)
            counted.inc(len(self._prompts[prompt]))

    def note_first(self, seconds: float) -> None:
        """An answer's first token came after that time."""
        self.metrics.first_token_seconds.observe(seconds)
        if self._record.first_token is None:
            self._record.first_token = self._record.seconds

    def end(self, prompt: int, outcome: str, num_tokens: int, *, is_error: bool) -> None:
        self._has_failed |= is_error
        if outcome != CANCELLED or not self._has_failed:  # which ends the other answers
            self._record.outcome = outcome
        self._record.completion_tokens += num_tokens
        self.metrics.completion_tokens.labels(self._record.model).inc(num_tokens)
        self.metrics.answers.labels(self._record.model, outcome).inc()
        # A client that has left pays for its prompt too, which was being computed.
        if self._charging is not None and (num_tokens or not is_error):
            self._charging.charge(self._caller, self._models, self._cost(prompt, num_tokens))

    def _cost(self, prompt: int, num_tokens: int) -> Count:
        num_requests = 0 if self._paid else 1
        num_prompt_tokens = 0 if prompt in self._paid else len(self._prompts[prompt])
        self._paid.add(prompt)
        return Count(num_requests, num_prompt_tokens, num_tokens)


class AnswerMeter:
    """The meter of one answer, from entering it on."""

    def __init__(self, meter: Meter, prompt: int, texts: list[str] | None = None) -> None:
        """`texts` takes what is answered, where that is to be logged."""
        self._meter = meter
        self._prompt = prompt
        self._texts = texts
        self._observe = meter.metrics.token_seconds.observe
        self._outcome = FAILED
        self._num_tokens = 0
        self._began = self._last = perf_counter()

    def __enter__(self) -> Self:
        return self

    def note(self, delta: Delta) -> None:
        if self._outcome == FAILED:
            self._meter.take(self._prompt)
        if delta.token_ids:
            now = perf_counter()
            if self._num_tokens:
                self._observe(now - self._last)
            else:
                self._meter.note_first(now - self._began)
            self._last = now
            self._num_tokens += len(delta.token_ids)
        if self._texts is not None:
            self._texts.append(delta.text)
        self._outcome = delta.finish_reason or CANCELLED  # if nobody asks for more

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        is_error = isinstance(error, ServingError | ServiceError)
        if is_error:
            self._outcome = type(error).__name__
        elif isinstance(error, asyncio.CancelledError):
            self._outcome = CANCELLED
        self._meter.end(self._prompt, self._outcome, self._num_tokens, is_error=is_error)
