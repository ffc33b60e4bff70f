"""Streams read from raw sockets, as cheaply as a client can: it is not what is measured."""

import asyncio
import json
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.process import ProgramFailed

TIMEOUT = 120  # [seconds] for all streams together
EVENT = b"data: {"
CONTENT = b'"content":"'
END = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Streamed:
    num_tokens: int  # of all streams
    num_bytes: int
    seconds: float  # from the first request to the end of the last answer


class _Stream(asyncio.Protocol):
    """Sends one request and keeps what comes until the server closes."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.received: list[bytes] = []
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def read_streams(
    url: str, model: str, count: int, num_tokens: int, piece: int = 1
) -> Streamed:
    """Ask `count` times at once, where an event with text has `piece` tokens.

    Raises ProgramFailed where an answer is not what was asked for.
    """
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    request = _request(address.netloc, model, num_tokens)
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()
    async with asyncio.timeout(TIMEOUT):
        opened = [
            await loop.create_connection(lambda: _Stream(request), host, port) for _ in range(count)
        ]
        await asyncio.gather(*(stream.closed for _, stream in opened))
    seconds = time.perf_counter() - begin
    bodies = [b"".join(stream.received) for _, stream in opened]
    counts = [count_tokens(body, num_tokens, piece) for body in bodies]
    return Streamed(sum(counts), sum(map(len, bodies)), seconds)


def _request(host: str, model: str, num_tokens: int) -> bytes:
    body = json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": "Recite."}],
            "stream": True,
            "max_tokens": num_tokens,
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def count_tokens(answer: bytes, expected: int, piece: int) -> int:
    """Tokens, by the events with text."""
    body = _unframed(answer)
    events = body.count(CONTENT) - body.count(CONTENT + b'"')  # the first one's text is empty
    found = events * piece
    if found != expected or END not in body:
        shown = answer[-700:].decode(errors="replace")
        told = f"{expected} tokens were asked for and {found} came; the last of it: {shown}"
        raise ProgramFailed(told)
    return found


def _unframed(answer: bytes) -> bytes:
    """The body without the frames of HTTP's chunks: a proxy cuts events by them."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    parts: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        parts.append(rest[:length])
        rest = rest[length + 2 :] if length else b""
    return b"".join(parts)
