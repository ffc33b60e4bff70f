"""How large a request's body may be, and how long it may take to come; both while it is read."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, BodyTooSlow
from service.settings import ServiceSettings

from .endpoints import Body
from .paths import endpoint_of
from .replies import reply_to

FORM = 1 << 16  # [bytes] that a form has beside its file
SLOWEST = 64 * 1024  # [bytes a second] that a large body may come with


class BodyLimit:
    """Stands before the application, which gets the refusal from reading the body."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._limits: dict[Body, int] = {
            "json": settings.body_limit,
            "upload": settings.upload_limit,
            "file": settings.file_limit + FORM,
        }
        self._patience = settings.body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits[endpoint_of(scope).body]
        if _declared_size(scope) > limit:
            await reply_to(BodyTooLarge(limit)).response(scope, receive, send)
            return
        body = _Body(receive, limit, self._patience)
        await self._app(scope, body.receive, send)


class _Body:
    """A request's body while it comes."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive = receive
        self._limit = limit
        self._patience = patience  # [seconds]
        self._began = asyncio.get_running_loop().time()
        self._size = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """Raises BodyTooLarge and BodyTooSlow."""
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow(self._size) from None
        self._size += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._size > self._limit:
            raise BodyTooLarge(self._limit)
        return message

    @property
    def _deadline(self) -> float:
        return self._began + self._patience + self._size / SLOWEST


def _declared_size(scope: Scope) -> int:
    sizes = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(sizes[0]) if sizes and sizes[0].isdigit() else 0
