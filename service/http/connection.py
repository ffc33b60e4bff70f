"""A client's connection: work ends as soon as nobody waits for it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

import anyio
from fastapi import Request, Response
from sse_starlette import EventSourceResponse
from starlette.types import Message, Receive, Scope, Send

CLIENT_GONE = 499  # nobody reads it; nginx's name for it in logs

Result = TypeVar("Result")


async def answer_whole(request: Request, work: Awaitable[Result]) -> Result | Response:
    """The work's result; an empty answer if the client goes away before."""
    result = await while_connected(request, work)
    return Response(status_code=CLIENT_GONE) if result is None else result


async def answer_streamed(request: Request, events: AsyncGenerator[bytes]) -> Response:
    """The events as a stream, begun with the first one in hand.

    So whatever can be refused has its own HTTP status: what the first step raises is raised here.
    """
    first = await while_connected(request, anext(events))
    return Response(status_code=CLIENT_GONE) if first is None else EventStream(first, events)


async def while_connected(request: Request, work: Awaitable[Result]) -> Result | None:
    """Await `work`, or cancel it and return None as soon as the client has gone."""
    with anyio.CancelScope() as scope:
        watch = asyncio.create_task(_cancel_when_gone(request, scope))
        try:
            return await work
        finally:
            watch.cancel()
    return None


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class EventStream(EventSourceResponse):
    """Sends a first event, where there is one, and the rest, and closes the rest however the
    connection ends."""

    def __init__(self, first: bytes | None, rest: AsyncGenerator[bytes]) -> None:
        super().__init__(_chain(first, rest), sep="\n")
        self._rest = rest

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        """Send without a scope for a limit, which costs more than all else that is done for a
        token: none is set here, and `http.patience` sees to clients that do not read."""
        await send(message)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._rest.aclose()


async def _chain(first: bytes | None, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    # Whole events, JSON without a line break in it: so nobody has to look for one.
    if first is not None:
        yield b"data: %b\n\n" % first
    async for event in rest:
        yield b"data: %b\n\n" % event
