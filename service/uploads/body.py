"""A request's body, piece by piece, by whatever reads it."""

from collections.abc import AsyncIterable
from typing import Protocol

from fastapi.concurrency import run_in_threadpool


class Body(Protocol):
    """Takes a body piece by piece, then checks that it has come to its end."""

    fields: dict[str, str]

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


async def pour(chunks: AsyncIterable[bytes], body: Body) -> dict[str, str]:
    """All of a body; returns its fields. Raises what the body raises."""
    async for chunk in chunks:
        await run_in_threadpool(body.feed, chunk)
    await run_in_threadpool(body.finish)
    return body.fields
