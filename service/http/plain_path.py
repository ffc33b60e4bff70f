"""Paths with control characters are refused before anything looks for them.

The router takes a path that ends in a line feed for the one without it, so that two paths would
mean one adapter.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from .replies import Reply


class PlainPath:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_plain(scope["path"]):
            refusal = Reply(400, "The URL's path holds a control character. Leave it out.")
            await refusal.response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_plain(path: str) -> bool:
    return path.isprintable() or not any(code < 32 or 127 <= code < 160 for code in map(ord, path))
