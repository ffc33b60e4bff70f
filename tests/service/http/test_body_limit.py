"""Bodies that are too large or too slow, by a real server: what is said, and that it lives on."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from serving.scripted import ScriptedEngine

CHAT = "/v1/chat/completions"


def body_of(num_bytes: int) -> bytes:
    frame = {"model": "base", "messages": [{"role": "user", "content": ""}]}
    frame["messages"][0]["content"] = "x" * (num_bytes - len(json.dumps(frame)))  # pyright: ignore
    return json.dumps(frame).encode()


def post(url: str, content: Any) -> httpx.Response:
    return httpx.post(url, content=content, headers={"Content-Type": "application/json"})


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port or 80))
    connection.settimeout(10)
    return connection


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_as_large_as_is_allowed_is_read(serve: Callable[..., str]):
    url = serve(ScriptedEngine(context_length=9999), body_limit=2000)
    assert post(url + CHAT, body_of(2000)).status_code == 200


def test_a_larger_body_is_413(serve: Callable[..., str]):
    response = post(serve(ScriptedEngine(), body_limit=2000) + CHAT, body_of(2001))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (413, "body_too_large")
    assert error["type"] == "invalid_request_error"
    assert "2000 bytes" in error["message"]
    assert response.headers["x-request-id"]


def test_a_body_that_does_not_say_its_length_is_counted(serve: Callable[..., str]):
    url = serve(ScriptedEngine(context_length=9999), body_limit=2000) + CHAT

    def pieces(whole: bytes) -> Iterator[bytes]:
        yield from (whole[start : start + 500] for start in range(0, len(whole), 500))

    assert post(url, pieces(body_of(2000))).status_code == 200
    response = post(url, pieces(body_of(2001)))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


def test_reading_stops_where_the_limit_is(serve: Callable[..., str]):
    url = serve(ScriptedEngine(), body_limit=2000)
    with connect(url) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n"
            b"Content-Type: application/json\r\n\r\n" + b"800\r\n" + b"x" * 0x800 + b"\r\n"
        )
        answer = read_all(connection)  # although the body has no end
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_uploads_have_a_limit_of_their_own(serve: Callable[..., str]):
    url = serve(ScriptedEngine(), body_limit=100, upload_limit=1000)
    assert post(f"{url}/v1/adapters", b"x" * 1000).status_code != 413
    assert post(f"{url}/v1/adapters/中医/promote", b"x" * 1000).status_code == 413
    assert post(f"{url}/v1/adapters", b"x" * 1001).status_code == 413
    assert post(f"{url}/v1/adaptersx", b"x" * 1000).status_code == 413


@pytest.mark.parametrize("begun", [b"", b'{"model'])
def test_a_body_that_does_not_come_is_408(serve: Callable[..., str], begun: bytes):
    url = serve(ScriptedEngine(), body_timeout=0.1)
    with connect(url) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n"
            b"Content-Type: application/json\r\n\r\n" + begun
        )
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    error = json.loads(body)["error"]
    assert error["code"] == "body_too_slow"
    assert f"{len(begun)} bytes" in error["message"]
    assert httpx.get(f"{url}/health").status_code == 200


def test_an_answer_may_take_longer_than_a_body(serve: Callable[..., str]):
    url = serve(ScriptedEngine(default="abc" * 20, delay=0.02), body_timeout=0.1)
    fields = {"model": "base", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    response = httpx.post(url + CHAT, json=fields)
    assert response.text.endswith("data: [DONE]\n\n")
