"""How long the server waits for strangers, by raw sockets."""

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from serving.scripted import ScriptedEngine

SOON = 0.1  # [seconds]
LATE = 600.0


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    connection = socket.socket()
    # A small window: else the system takes megabytes before the server sees that nobody reads.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port or 80))
    connection.settimeout(10)
    return connection


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def error_of(answer: bytes, status: int) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"Connection: close" in head
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize("begun", [b"G", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_headers_that_do_not_come_are_408(serve: Callable[..., str], begun: bytes):
    url = serve(ScriptedEngine(), header_timeout=SOON)
    with connect(url) as connection:
        connection.sendall(begun)
        error_of(read_all(connection), 408)
    assert httpx.get(f"{url}/health").status_code == 200


def test_a_connection_that_says_nothing_is_closed_without_a_word(serve: Callable[..., str]):
    with connect(serve(ScriptedEngine(), header_timeout=SOON)) as connection:
        assert read_all(connection) == b""


def test_a_second_request_on_a_connection_has_to_come_too(serve: Callable[..., str]):
    with connect(serve(ScriptedEngine(), header_timeout=SOON)) as connection:
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = connection.recv(65536)
        assert first.startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /rea")
        answer = read_all(connection)
    error_of(answer[answer.index(b"HTTP/1.1 408") :], 408)


def test_an_idle_connection_is_closed(serve: Callable[..., str]):
    with connect(serve(ScriptedEngine(), keep_alive=1, header_timeout=LATE)) as connection:
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_all(connection).endswith(b'{"status":"ready"}')


def test_an_answer_may_take_longer_than_headers(serve: Callable[..., str]):
    url = serve(ScriptedEngine(default="abc" * 10, delay=0.03), header_timeout=SOON)
    fields = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]}
    assert httpx.post(f"{url}/v1/chat/completions", json=fields).status_code == 200


@pytest.mark.parametrize(
    "request_line",
    [b"\x00\x01\x02\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"],
)
def test_what_is_no_http_is_400_in_the_usual_shape(serve: Callable[..., str], request_line: bytes):
    with connect(serve(ScriptedEngine())) as connection:
        connection.sendall(request_line)
        error_of(read_all(connection), 400)


def test_connections_beyond_the_limit_are_503_at_once(
    serve: Callable[..., str], wait_until: Callable[..., None]
):
    url = serve(ScriptedEngine(), max_connections=3)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(url))
        with connect(url) as connection:
            assert "connections" in error_of(read_all(connection), 503)["message"]

    def is_free() -> bool:
        return httpx.get(f"{url}/ready").status_code == 200

    wait_until(is_free)


def test_a_client_that_does_not_read_is_let_go(
    serve: Callable[..., str], wait_until: Callable[..., None]
):
    engine = ScriptedEngine(default="x" * 300_000, context_length=200_000)
    url = serve(engine, send_timeout=SOON)
    fields = {"model": "base", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    body = json.dumps(fields | {"max_tokens": 100_000}).encode()
    with connect(url) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        wait_until(lambda: len(engine.cancelled) == 1)
    assert engine.num_tokens < 100_000
    assert engine.running == {}


def test_the_server_does_not_say_what_it_is(serve: Callable[..., str]):
    assert "server" not in httpx.get(f"{serve(ScriptedEngine())}/health").headers
