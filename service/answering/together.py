"""Several answers computed together: their streams merged into one, as they come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import anyio

from serving.engine import Delta

Numbered = tuple[int, Delta]
"""What an answer has got, with the answer's index."""


async def together(streams: Sequence[AsyncGenerator[Numbered]]) -> AsyncGenerator[Numbered]:
    """What any of them streams. Closing it closes them all; so does an error in one, which is
    raised."""
    news: asyncio.Queue[Numbered | asyncio.Task[None]] = asyncio.Queue()
    room = asyncio.Semaphore(len(streams))  # a client that reads slowly holds the streams back
    tasks = [asyncio.create_task(_follow(stream, news, room)) for stream in streams]
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
    stream: AsyncGenerator[Numbered],
    news: asyncio.Queue[Numbered | asyncio.Task[None]],
    room: asyncio.Semaphore,
) -> None:
    async with aclosing(stream) as deltas:
        async for numbered in deltas:
            await room.acquire()
            news.put_nowait(numbered)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    # Whoever cancelled us would cancel this wait too, and leave the engine's streams half closed.
    with anyio.CancelScope(shield=True):
        await asyncio.gather(*tasks, return_exceptions=True)
