"""A client that goes away stops the engine's work: a real server, a raw socket, closed."""

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from serving.engine import Engine
from serving.scripted import ScriptedEngine

LONG = "word " * 1_000
NEVER = 600.0  # [seconds] before a token; longer than any test


def send_request(url: str, *, stream: bool, max_tokens: int = 1_000, n: int = 1) -> socket.socket:
    question = [{"role": "user", "content": "Hi"}]
    fields = {"stream": stream, "max_tokens": max_tokens, "n": n}
    body = json.dumps({"model": "base", "messages": question} | fields)
    address = urlsplit(url)
    connection = socket.socket()
    # A small window: else the system takes megabytes before the server sees that nobody reads.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port or 80))
    connection.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return connection


def assert_cancelled(engine: ScriptedEngine, wait_until: Callable[..., None]) -> None:
    wait_until(lambda: engine.stats().num_running == 0)
    assert engine.requests
    assert {request.id for request in engine.cancelled} == {
        request.id for request in engine.requests
    }


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
def test_engine_stops_when_client_disconnects_before_the_first_token(
    serve: Callable[[Engine], str], wait_until: Callable[..., None], stream: bool, n: int
):
    engine = ScriptedEngine(delay=NEVER)
    with send_request(serve(engine), stream=stream, n=n):
        wait_until(lambda: engine.stats().num_running == n)
    assert_cancelled(engine, wait_until)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
def test_engine_stops_when_client_disconnects_in_the_middle(
    serve: Callable[[Engine], str], wait_until: Callable[..., None], stream: bool, n: int
):
    engine = ScriptedEngine(default=LONG, delay=0.02)
    with send_request(serve(engine), stream=stream, n=n) as connection:
        wait_until(lambda: engine.num_tokens >= 3)
        if stream:
            assert b"text/event-stream" in connection.recv(4096)
    assert_cancelled(engine, wait_until)
    assert engine.num_tokens < 100


@pytest.mark.parametrize("n", [1, 3])
def test_engine_stops_when_client_disconnects_with_full_buffers(
    serve: Callable[[Engine], str], wait_until: Callable[..., None], n: int
):
    engine = ScriptedEngine(default="x" * 300_000, context_length=200_000)
    counts = [-1]

    def is_stalled() -> bool:
        counts.append(engine.num_tokens)
        return len(counts) > 20 and counts[-1] > 0 and len(set(counts[-20:])) == 1

    with send_request(serve(engine), stream=True, max_tokens=100_000, n=n):
        wait_until(is_stalled)
        assert 0 < engine.num_tokens < n * 100_000
    assert_cancelled(engine, wait_until)
