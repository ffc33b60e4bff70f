"""The simplest honest proxy, until it is told to stop: it hands on all bytes as they are.

What our service costs beyond this is for what it does; what this costs, HTTP costs in Python.
"""

import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from service.server import http_config, listen, url_of
from service.settings import ServiceSettings

from .shapes import CHAT

KEPT = ("content-type", "content-length")  # headers of what is handed on


def build_app(url: str) -> Starlette:
    client = httpx.AsyncClient(
        base_url=url, timeout=60, limits=httpx.Limits(max_connections=None), trust_env=False
    )

    async def forward(request: Request) -> Response:
        body, headers = await request.body(), _kept(request.headers.items())
        asked = client.build_request("POST", request.url.path, content=body, headers=headers)
        answer = await client.send(asked, stream=True)
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            _kept(answer.headers.items()),
            background=BackgroundTask(answer.aclose),
        )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    return Starlette(routes=[Route(CHAT, forward, methods=["POST"])], lifespan=lifespan)


def _kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name in KEPT}


def main(url: str) -> None:
    """Says on stdout where it listens; `url` is where it hands on to."""
    listener = listen("127.0.0.1", 0)
    print(url_of(listener), flush=True)  # noqa: T201 - its answer
    config = http_config(build_app(url), ServiceSettings())
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
