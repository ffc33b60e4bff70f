"""Jobs through the engine: what it streams becomes a whole answer, or the events of a stream."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from service.errors import TOO_LONG, InvalidRequest, reply_to
from serving.engine import Delta, Engine, Request
from serving.errors import PromptTooLong, SchemaRefused, ServingError

from .choices import run_together
from .protocol import Chunk

log = logging.getLogger(__name__)

DONE = b"[DONE]"
Completion = TypeVar("Completion", bound=BaseModel)
Whole = TypeVar("Whole", bound=BaseModel, covariant=True)


class Answers(Protocol[Whole]):
    """The answers of one job, in the shapes of one endpoint."""

    def add(self, index: int, delta: Delta) -> None:
        """Take what the engine has streamed for one of the answers."""
        ...

    def completion(self) -> Whole:
        """All that was added. Raises EngineFailed where an answer has no end."""
        ...

    def chunks(self, index: int, delta: Delta) -> Iterator[Chunk]:
        """Add a delta; yields what the client is to be sent."""
        ...

    def last_chunks(self) -> Iterator[Chunk]:
        """What follows the answers. Raises EngineFailed where one has no end."""
        ...


@dataclass(frozen=True, slots=True)
class Job(Generic[Completion]):
    """Requests that are ready for the engine, and where their answers go."""

    requests: Sequence[Request]
    answers: Answers[Completion]
    prompt_field: str  # of the client's request: the one to shorten
    schema_field: str  # and the one that says what form an answer has
    limit_field: str  # and how long it may be


class Generation:
    """Runs jobs on one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer(self, prepare: Callable[[], Job[Completion]]) -> Completion:
        """Raises what preparing and the engine raise."""
        job = await run_in_threadpool(prepare)
        with _named_after(job):
            async with aclosing(run_together(self._engine, job.requests)) as news:
                async for index, delta in news:
                    job.answers.add(index, delta)
        return job.answers.completion()

    async def stream(self, prepare: Callable[[], Job[Completion]]) -> AsyncGenerator[bytes]:
        """The payloads of a stream's events. Closing the iterator cancels the job.

        Raises at the first step what `answer` raises; a later error becomes the last event.
        """
        has_begun = False
        try:
            async with aclosing(self._chunks(prepare)) as chunks:
                async for chunk in chunks:
                    yield to_json(chunk)
                    has_begun = True
        except Exception as error:
            if not has_begun:
                raise
            if not isinstance(error, ServingError):
                log.exception("A stream failed unexpectedly.")
            yield to_json(reply_to(error).body)
        else:
            yield DONE

    async def _chunks(self, prepare: Callable[[], Job[Completion]]) -> AsyncGenerator[Chunk]:
        job = await run_in_threadpool(prepare)
        with _named_after(job):
            async with aclosing(run_together(self._engine, job.requests)) as news:
                async for index, delta in news:
                    for chunk in job.answers.chunks(index, delta):
                        yield chunk
        for chunk in job.answers.last_chunks():
            yield chunk


@contextmanager
def _named_after(job: Job[Completion]) -> Generator[None]:
    """The engine knows prompts and schemas, but not which field of a request they come from."""
    try:
        yield
    except PromptTooLong as error:
        raise InvalidRequest(str(error), job.prompt_field, TOO_LONG) from error
    except InvalidRequest as error:
        own = {"messages": job.prompt_field, "max_tokens": job.limit_field}
        field = own.get(error.param, error.param)
        raise InvalidRequest(str(error), field, error.code) from error
    except SchemaRefused as error:
        raise InvalidRequest(str(error), job.schema_field) from error
