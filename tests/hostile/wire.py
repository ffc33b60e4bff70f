"""Requests as bytes, so that they can be wrong in every way, and what a server answers to them."""

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

PATIENCE = 20  # [seconds] that a server may take to answer or to hang up
BASE = "tiny-llama"
CHAT = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "Hi"}]

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request; where it is no HTTP, a closed connection is an answer too."""

    name: str
    wire: bytes
    is_http: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    @property
    def has_openais_error(self) -> bool:
        try:
            error = json.loads(self.body)["error"]
            return set(error) == {"message", "type", "param", "code"} and bool(error["message"])
        except (ValueError, KeyError, TypeError):
            return False


def http(method: str, target: str, body: bytes = b"", headers: Headers = ()) -> bytes:
    """A well-formed request, but for what it is given."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body


def post(target: str, body: bytes, content_type: str = "application/json") -> bytes:
    return http("POST", target, body, [("Content-Type", content_type)])


def post_json(target: str, fields: Any) -> bytes:
    return post(target, json.dumps(fields).encode())


def chat(**fields: Any) -> bytes:
    """A right chat request, but for these fields."""
    return post_json(CHAT, {"model": BASE, "messages": QUESTION, "max_tokens": 1} | fields)


def send(address: tuple[str, int], wire: bytes) -> Answer | None:
    """None: the server closed the connection without a word."""
    with socket.create_connection(address, PATIENCE) as connection:
        with suppress(ConnectionError):  # it may have answered before it had read everything
            connection.sendall(wire)
        try:
            response = HTTPResponse(connection)
            response.begin()
            return Answer(response.status, response.getheader("Content-Type", ""), response.read())
        except (ConnectionError, HTTPException):
            return None
