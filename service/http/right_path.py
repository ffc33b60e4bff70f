"""The path that a client means whose base URL is not quite right."""

from collections.abc import Iterator

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from service.errors import PathNotFound

from .endpoints import DOCS, ENDPOINTS
from .paths import path_of

LONGEST = max(each.path.count("/") for each in ENDPOINTS)  # [parts]


def tell_right_paths(app: FastAPI) -> None:
    """Let requests for a path that no route has be told one that it comes near."""
    usual = app.router.default

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raise PathNotFound(f"Not Found: {scope['method']} {scope['path']}. {_advice(scope)}")
        await usual(scope, receive, send)

    app.router.default = refuse


def right_path(scope: Scope) -> str | None:
    """The path of a route that a request's own path comes near; None where that is one itself.

    Near are slashes too many, /v1 missing or twice, and whatever stands before it.
    """
    app: FastAPI | None = scope.get("app")
    path = path_of(scope)
    if app is None or _match(app, scope, path) is not Match.NONE:
        return None
    meant = (near for near in _near(path) if _match(app, scope, near) is Match.FULL)
    return next(meant, None)


def _advice(scope: Scope) -> str:
    right = right_path(scope)
    if right is None:
        return f"OpenAI's API is under /v1 here, and {DOCS.path} lists all paths."
    base = " (a client's base URL ends in /v1)" if right.startswith("/v1/") else ""
    return f"Write {scope.get('root_path', '')}{right}{base}."


def _near(path: str) -> Iterator[str]:
    parts = [part for part in path.split("/") if part]
    for start in range(max(0, len(parts) - LONGEST), len(parts)):
        rest = "/".join(parts[start:])
        yield from (f"/{rest}", f"/v1/{rest}")


def _match(app: FastAPI, scope: Scope, path: str) -> Match:
    asked = {"type": "http", "method": scope["method"], "path": path}
    found = (route.matches(dict(asked))[0] for route in app.routes)
    return max(found, key=lambda match: match.value, default=Match.NONE)
