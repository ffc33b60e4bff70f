"""Jobs and what becomes of them: a whole answer, or the events of a stream."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from service.answering.answering import Answering
from service.answering.job import AnswerJob
from service.http.replies import reply_to
from service.models import Models
from service.settings import ServiceSettings
from serving.engine import Delta
from serving.errors import ServingError

from .disclaimers import Disclaimers
from .engine_request import EngineRequests
from .logprobs import TokenNames
from .protocol import Chunk

log = logging.getLogger(__name__)

DONE = b"[DONE]"
Asked = TypeVar("Asked", bound=BaseModel)
Completion = TypeVar("Completion", bound=BaseModel)
Whole = TypeVar("Whole", bound=BaseModel, covariant=True)


class Answers(Protocol[Whole]):
    """The answers of one job, in the shapes of one endpoint."""

    def add(self, index: int, delta: Delta) -> None:
        """Take what the engine has streamed for one of the answers."""
        ...

    def completion(self) -> Whole:
        """All that was added, streamed or not; asked for once. Raises EngineFailed where an answer
        has no end."""
        ...

    def chunks(self, index: int, delta: Delta) -> Iterator[Chunk]:
        """Add a delta; yields what the client is to be sent."""
        ...

    def last_chunks(self) -> Iterator[Chunk]:
        """What follows the answers. Raises EngineFailed where one has no end."""
        ...


Keep = Callable[[Completion], None]
Prepared = tuple[AnswerJob, Answers[Completion], Keep[Completion] | None]
"""A job, where its answers go, and what keeps them in the end; called in a thread."""


class Generation(ABC, Generic[Asked, Completion]):
    """Answers the requests of one endpoint, whole or as a stream."""

    def __init__(
        self,
        answering: Answering,
        requests: EngineRequests,
        models: Models,
        settings: ServiceSettings,
    ) -> None:
        self._answering = answering
        self._requests = requests
        self._models = models
        self._settings = settings
        self._names = TokenNames(models.tokenizer)
        self._disclaimers = Disclaimers(models, are_appended=settings.append_disclaimer)

    @abstractmethod
    def prepare(self, asked: Asked) -> Prepared[Completion]:
        """What the engine is to do for a request. Reads files; raises what resolving and rendering
        raise."""

    async def answer(self, asked: Asked) -> Completion:
        """Raises what preparing and the engine raise."""
        job, answers, keep = await run_in_threadpool(self.prepare, asked)
        async with aclosing(self._answering.run(job)) as news:
            async for index, delta in news:
                answers.add(index, delta)
        completion = answers.completion()
        if keep is not None:
            await run_in_threadpool(keep, completion)
        return completion

    async def stream(self, asked: Asked) -> AsyncGenerator[bytes]:
        """The payloads of a stream's events. Closing the iterator cancels the request.

        Raises at the first step what `answer` raises; a later error becomes the last event.
        """
        has_begun = False
        try:
            job, answers, keep = await run_in_threadpool(self.prepare, asked)
            async with aclosing(self._answering.run(job)) as news:
                async for index, delta in news:
                    for chunk in answers.chunks(index, delta):
                        yield to_json(chunk)
                        has_begun = True
            if keep is not None:
                await run_in_threadpool(keep, answers.completion())
            for chunk in answers.last_chunks():
                yield to_json(chunk)
        except Exception as error:
            if not has_begun:
                raise
            if not isinstance(error, ServingError):
                log.exception("A stream failed unexpectedly.")
            yield to_json(reply_to(error).body)
        else:
            yield DONE
