"""Chat requests become engine requests; what the engine streams becomes OpenAI's shapes."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from data.conversation import Message
from finetune.card import SamplingDefaults
from serving.engine import Delta, Engine, FinishReason, Request, Sampling
from serving.errors import EngineFailed, ServingError

from .errors import reply_to
from .models import Models
from .protocol import (
    AnswerMessage,
    ChatChunk,
    ChatCompletion,
    ChatRequest,
    Choice,
    ChunkChoice,
    ChunkDelta,
    PromptTokensDetails,
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


@dataclass(slots=True)
class Tally:
    """What of an answer has come so far."""

    num_prompt_tokens: int
    num_tokens: int = 0
    num_cached_tokens: int = 0
    finish_reason: FinishReason | None = None
    texts: list[str] = field(default_factory=list)

    def add(self, delta: Delta) -> None:
        self.num_tokens += len(delta.token_ids)
        self.num_cached_tokens = max(self.num_cached_tokens, delta.cached_tokens)
        self.finish_reason = delta.finish_reason
        self.texts.append(delta.text)

    def reason(self) -> FinishReason:
        if self.finish_reason is None:
            raise EngineFailed("The engine ended an answer without saying why.")
        return self.finish_reason

    @property
    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=self.num_prompt_tokens,
            completion_tokens=self.num_tokens,
            total_tokens=self.num_prompt_tokens + self.num_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=self.num_cached_tokens),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A chat request that is ready for the engine, and what its answer is labelled with."""

    chat: ChatRequest
    request: Request
    pinned: str  # the exact versions that answer
    created: int

    def completion(self, tally: Tally) -> ChatCompletion:
        message = AnswerMessage(content="".join(tally.texts))
        return ChatCompletion(
            id=self.request.id,
            created=self.created,
            model=self.chat.model,
            system_fingerprint=self.pinned,
            choices=[Choice(index=0, message=message, finish_reason=tally.reason())],
            usage=tally.usage,
        )

    def delta_chunk(self, delta: ChunkDelta, finish: FinishReason | None = None) -> ChatChunk:
        return self._chunk(
            [ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=finish)], None
        )

    def usage_chunk(self, tally: Tally) -> ChatChunk:
        return self._chunk([], tally.usage)

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

    async def answer(self, chat: ChatRequest) -> ChatCompletion:
        """Raises what resolving, rendering and the engine raise."""
        job = await run_in_threadpool(self._prepare, chat)
        tally = Tally(len(job.request.prompt_ids))
        async with aclosing(self._engine.submit(job.request)) as deltas:
            async for delta in deltas:
                tally.add(delta)
        return job.completion(tally)

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
        tally = Tally(len(job.request.prompt_ids))
        async with aclosing(self._engine.submit(job.request)) as deltas:
            async for delta in deltas:
                if not tally.texts:
                    yield job.delta_chunk(ChunkDelta(role="assistant", content=""))
                tally.add(delta)
                if delta.text:
                    yield job.delta_chunk(ChunkDelta(content=delta.text))
        yield job.delta_chunk(ChunkDelta(), tally.reason())
        if chat.includes_usage:
            yield job.usage_chunk(tally)

    def _prepare(self, chat: ChatRequest) -> Job:
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
        return Job(chat, request, model.pinned, int(time.time()))

    def _sampling(self, chat: ChatRequest, defaults: SamplingDefaults, room: int) -> Sampling:
        default_limit = min(defaults.max_tokens or self._settings.default_max_tokens, room)
        asked = chat.model_dump(include=set(SAMPLING_FIELDS), exclude_none=True)
        chosen: dict[str, Any] = defaults.model_dump(exclude_none=True) | asked
        chosen["max_tokens"] = chat.token_limit or default_limit
        chosen["stop"] = tuple(chat.stop or ())
        return replace(Sampling(), **chosen)


def _messages(chat: ChatRequest, system: str | None) -> list[Message]:
    messages = [
        Message("system" if message.role == "developer" else message.role, message.text)
        for message in chat.messages
    ]
    if system is not None and all(message.role != "system" for message in messages):
        return [Message("system", system), *messages]
    return messages
