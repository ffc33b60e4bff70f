"""The answers to one request, computed together: streams merged, and what each has said."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import anyio

from serving.engine import Delta, Engine, FinishReason, Request, TokenLogprob
from serving.errors import EngineFailed

from .protocol import PromptTokensDetails, Usage

News = tuple[int, Delta] | asyncio.Task[None]


@dataclass(slots=True)
class Tally:
    """What of one answer has come so far."""

    end_ids: tuple[int, ...] = ()
    num_tokens: int = 0
    num_cached_tokens: int = 0
    finish_reason: FinishReason | None = None
    texts: list[str] = field(default_factory=list)
    untold: list[TokenLogprob] = field(default_factory=list)  # their text was held back, or none
    offsets: list[int] = field(default_factory=list)  # [characters] of text before each of them
    num_characters: int = 0

    def add(self, delta: Delta) -> None:
        self.num_tokens += len(delta.token_ids)
        self.num_cached_tokens = max(self.num_cached_tokens, delta.cached_tokens)
        self.finish_reason = delta.finish_reason
        self.texts.append(delta.text)
        if delta.logprobs:
            self.untold += delta.logprobs
            self.offsets += [self.num_characters] * len(delta.logprobs)
        self.num_characters += len(delta.text)
        if delta.finish_reason == "stop" and delta.logprobs:
            self._forget_end()

    def take_logprobs(self) -> list[TokenLogprob]:
        """Those of the tokens since the last time."""
        told, self.untold, self.offsets = self.untold, [], []
        return told

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def reason(self) -> FinishReason:
        if self.finish_reason is None:
            raise EngineFailed("The engine ended an answer without saying why.")
        return self.finish_reason

    def _forget_end(self) -> None:
        """OpenAI's log probabilities make up the text: they lack the token that ended it."""
        if self.untold[-1].token_id in self.end_ids:
            self.untold.pop()
            self.offsets.pop()


def split(request: Request, count: int) -> list[Request]:
    """One request for each of `count` answers, alike but for their ids and their seeds."""
    seed = request.sampling.seed
    return [
        replace(
            request,
            id=f"{request.id}-{index}",
            sampling=replace(request.sampling, seed=None if seed is None else seed + index),
        )
        for index in range(count)
    ]


def run_together(engine: Engine, requests: Sequence[Request]) -> AsyncGenerator[tuple[int, Delta]]:
    """What the engine streams for any of the requests, with the request's index, as it comes.

    Closing the iterator cancels them all, and so does an error in one of them, which is raised.
    """
    streams = [engine.submit(request) for request in requests]
    # Nearly always there is one, and then nothing needs to stand between.
    return _numbered(streams[0]) if len(streams) == 1 else _merged(streams)


async def _numbered(stream: AsyncGenerator[Delta]) -> AsyncGenerator[tuple[int, Delta]]:
    async with aclosing(stream) as deltas:
        async for delta in deltas:
            yield 0, delta


async def _merged(
    streams: Sequence[AsyncGenerator[Delta]],
) -> AsyncGenerator[tuple[int, Delta]]:
    news: asyncio.Queue[News] = asyncio.Queue()
    room = asyncio.Semaphore(len(streams))  # a client that reads slowly holds the streams back
    tasks = [
        asyncio.create_task(_follow(index, stream, news, room))
        for index, stream in enumerate(streams)
    ]
    for task in tasks:
        task.add_done_callback(news.put_nowait)
    num_running = len(tasks)
    try:
        while num_running:
            item = await news.get()
            if isinstance(item, asyncio.Task):
                item.result()
                num_running -= 1
            else:
                room.release()
                yield item
    finally:
        await _cancel(tasks)


async def _follow(
    index: int, stream: AsyncGenerator[Delta], news: asyncio.Queue[News], room: asyncio.Semaphore
) -> None:
    async with aclosing(stream) as deltas:
        async for delta in deltas:
            await room.acquire()
            news.put_nowait((index, delta))


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    # Whoever cancelled us would cancel this wait too, and leave the engine's streams half closed.
    with anyio.CancelScope(shield=True):
        await asyncio.gather(*tasks, return_exceptions=True)


def usage_of(num_prompt_tokens: int, tallies: Sequence[Tally]) -> Usage:
    """The answers' tokens together; the prompt counts once, and as cached where it was for all."""
    num_answered = sum(tally.num_tokens for tally in tallies)
    num_cached = min(tally.num_cached_tokens for tally in tallies)
    return Usage(
        prompt_tokens=num_prompt_tokens,
        completion_tokens=num_answered,
        total_tokens=num_prompt_tokens + num_answered,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=num_cached),
    )


def sum_of(usages: Sequence[Usage]) -> Usage:
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        total_tokens=sum(usage.total_tokens for usage in usages),
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=sum(usage.prompt_tokens_details.cached_tokens for usage in usages)
        ),
    )
