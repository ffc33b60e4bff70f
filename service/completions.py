"""Chat requests become engine requests; what the engine streams becomes OpenAI's shapes."""

import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from data.conversation import Message
from finetune.card import SamplingDefaults
from serving.engine import Delta, Engine, FinishReason, Request, Sampling
from serving.errors import ServingError

from .chat_request import ChatRequest
from .choices import Tally, run_together, split, usage_of
from .errors import InvalidRequest, reply_to
from .logprobs import TokenNames
from .models import Models
from .protocol import (
    AnswerMessage,
    ChatChunk,
    ChatCompletion,
    Choice,
    ChoiceLogprobs,
    ChunkChoice,
    ChunkDelta,
    Usage,
)
from .settings import ServiceSettings

log = logging.getLogger(__name__)

DONE = "[DONE]"
SAMPLING_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "ignore_eos",
)


@dataclass(frozen=True, slots=True)
class Job:
    """A chat request that is ready for the engine, and what its answers are labelled with."""

    chat: ChatRequest
    request: Request  # of each answer, but for its id and its seed
    pinned: str  # the exact versions that answer
    created: int
    names: TokenNames

    def tallies(self) -> list[Tally]:
        return [Tally(self.request.end_ids) for _ in range(self.chat.num_choices)]

    def completion(self, tallies: Sequence[Tally]) -> ChatCompletion:
        return ChatCompletion(
            id=self.request.id,
            created=self.created,
            model=self.chat.model,
            system_fingerprint=self.pinned,
            choices=[self._choice(index, tally) for index, tally in enumerate(tallies)],
            usage=usage_of(len(self.request.prompt_ids), tallies),
        )

    def chunks(self, index: int, tally: Tally, delta: Delta) -> Iterator[ChatChunk]:
        """Add a delta to what has come of an answer; yields what the client is to be sent."""
        if not tally.texts:
            yield self._delta_chunk(index, ChunkDelta(role="assistant", content=""))
        tally.add(delta)
        if delta.text:
            logprobs = self._logprobs(tally)
            yield self._delta_chunk(index, ChunkDelta(content=delta.text), logprobs)
        if delta.finish_reason is not None:
            logprobs = self._logprobs(tally)
            yield self._delta_chunk(index, ChunkDelta(), logprobs, delta.finish_reason)

    def usage_chunk(self, tallies: Sequence[Tally]) -> ChatChunk:
        return self._chunk([], usage_of(len(self.request.prompt_ids), tallies))

    def _choice(self, index: int, tally: Tally) -> Choice:
        return Choice(
            index=index,
            message=AnswerMessage(content="".join(tally.texts)),
            logprobs=self.names.listed(tally.take_logprobs()) if self.chat.logprobs else None,
            finish_reason=tally.reason(),
        )

    def _logprobs(self, tally: Tally) -> ChoiceLogprobs | None:
        untold = tally.take_logprobs()
        return self.names.listed(untold) if untold else None

    def _delta_chunk(
        self,
        index: int,
        delta: ChunkDelta,
        logprobs: ChoiceLogprobs | None = None,
        finish: FinishReason | None = None,
    ) -> ChatChunk:
        choice = ChunkChoice(index=index, delta=delta, logprobs=logprobs, finish_reason=finish)
        return self._chunk([choice], None)

    def _chunk(self, choices: list[ChunkChoice], usage: Usage | None) -> ChatChunk:
        chunk = ChatChunk(
            id=self.request.id,
            object="chat.completion.chunk",
            created=self.created,
            model=self.chat.model,
            system_fingerprint=self.pinned,
            choices=choices,
        )
        # Clients that did not ask for usage must not see the key, not even as null.
        return chunk.model_copy(update={"usage": usage}) if self.chat.includes_usage else chunk


class ChatCompletions:
    """Answers chat requests with one engine, whole or as a stream."""

    def __init__(self, engine: Engine, models: Models, settings: ServiceSettings) -> None:
        self._engine = engine
        self._models = models
        self._settings = settings
        self._names = TokenNames(models.tokenizer)

    async def answer(self, chat: ChatRequest) -> ChatCompletion:
        """Raises what resolving, rendering and the engine raise."""
        job = await run_in_threadpool(self._prepare, chat)
        tallies = job.tallies()
        async with aclosing(self._run(job)) as deltas:
            async for index, delta in deltas:
                tallies[index].add(delta)
        return job.completion(tallies)

    async def stream(self, chat: ChatRequest) -> AsyncGenerator[str]:
        """The payloads of a stream's events. Closing the iterator cancels the request.

        Raises at the first step what `answer` raises; a later error becomes the last event.
        """
        has_begun = False
        try:
            async with aclosing(self._chunks(chat)) as chunks:
                async for chunk in chunks:
                    yield chunk.model_dump_json(exclude_unset=True)
                    has_begun = True
        except Exception as error:
            if not has_begun:
                raise
            if not isinstance(error, ServingError):
                log.exception("A stream failed unexpectedly.")
            yield reply_to(error).body.model_dump_json()
        else:
            yield DONE

    async def _chunks(self, chat: ChatRequest) -> AsyncGenerator[ChatChunk]:
        job = await run_in_threadpool(self._prepare, chat)
        tallies = job.tallies()
        async with aclosing(self._run(job)) as deltas:
            async for index, delta in deltas:
                for chunk in job.chunks(index, tallies[index], delta):
                    yield chunk
        for tally in tallies:
            tally.reason()
        if chat.includes_usage:
            yield job.usage_chunk(tallies)

    def _run(self, job: Job) -> AsyncGenerator[tuple[int, Delta]]:
        return run_together(self._engine, split(job.request, job.chat.num_choices))

    def _prepare(self, chat: ChatRequest) -> Job:
        most = self._settings.max_choices
        if chat.num_choices > most:
            raise InvalidRequest(f"n: this server gives {most} answers a request at most.", "n")
        model = self._models.resolve(chat.model, chat.lora or ())
        prompt_ids = model.renderer.prompt_ids(_messages(chat, model.system))
        # At least one token, so that the engine refuses a prompt which leaves no room at all.
        room = max(1, self._engine.context_length - len(prompt_ids))
        request = Request(
            id=f"chatcmpl-{uuid4().hex}",
            prompt_ids=prompt_ids,
            end_ids=model.renderer.end_ids,
            blend=model.blend,
            sampling=self._sampling(chat, model.sampling, room),
        )
        return Job(chat, request, model.pinned, int(time.time()), self._names)

    def _sampling(self, chat: ChatRequest, defaults: SamplingDefaults, room: int) -> Sampling:
        wanted = defaults.max_tokens or self._settings.default_max_tokens
        default_limit = min(wanted, room, self._settings.max_output_tokens or room)
        asked = chat.model_dump(include=set(SAMPLING_FIELDS), exclude_none=True)
        chosen: dict[str, Any] = defaults.model_dump(exclude_none=True) | asked
        chosen["max_tokens"] = chat.token_limit or default_limit
        chosen["stop"] = tuple(chat.stop or ())
        chosen["logit_bias"] = chat.biases
        chosen["top_logprobs"] = chat.num_alternatives
        chosen["json_schema"] = chat.json_schema
        return replace(Sampling(), **chosen)


def _messages(chat: ChatRequest, system: str | None) -> list[Message]:
    messages = [
        Message("system" if message.role == "developer" else message.role, message.text)
        for message in chat.messages
    ]
    if system is not None and all(message.role != "system" for message in messages):
        return [Message("system", system), *messages]
    return messages
