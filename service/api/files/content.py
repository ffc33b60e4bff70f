"""A file as it came, to whoever may read it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import anyio
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.errors import FileNotFound
from service.files.stored_file import StoredFile

CHUNK = 1 << 18  # [bytes]


async def send_content(file: StoredFile, path: Path) -> StreamingResponse:
    """Raises FileNotFound where it went while it was asked for."""
    try:
        opened = await run_in_threadpool(path.open, "rb")
    except OSError as error:
        raise FileNotFound(file.id) from error
    return _Content(file, opened)


class _Content(StreamingResponse):
    """No page of ours: a browser saves it, and shows nothing of it."""

    def __init__(self, file: StoredFile, opened: BinaryIO) -> None:
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
            "Content-Length": str(file.num_bytes),
        }
        super().__init__(_chunks(opened), headers=headers, media_type="application/octet-stream")
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._opened.close)


async def _chunks(opened: BinaryIO) -> AsyncGenerator[bytes]:
    while chunk := await run_in_threadpool(opened.read, CHUNK):
        yield chunk
