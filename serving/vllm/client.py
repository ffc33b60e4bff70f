"""One vLLM server over HTTP: its models, its adapters, and completions of token ids.

The shapes are those of vLLM's OpenAI server (vllm/entrypoints/openai, 0.32).
"""

import logging
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from pydantic_core import from_json

CONNECT = 5.0  # [seconds]
LOOK = 5.0  # [seconds] for what needs no model
SILENCE = 300.0  # [seconds] for a long prompt behind others, or a large adapter
IDLE = 3.0  # [seconds] that a connection is kept; vLLM keeps it for 5
DATA, DONE = b"data: ", b"[DONE]"
MIDDLE = "The vLLM server has ended an answer in its middle."
SERVERS_FAULT = HTTPStatus.INTERNAL_SERVER_ERROR  # and above
ODD = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
)  # of what is not what it should be

USUAL = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE)

logger = logging.getLogger(__name__)

Json = dict[str, Any]


class ServerAway(Exception):
    """It cannot be reached, or failed by itself: another try may go well."""


class ServerRefused(Exception):
    """It does not do what it was asked; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Card:
    """A model that it lists."""

    name: str
    parent: str | None  # of an adapter: its base
    context_length: int | None  # [tokens]; of the base


class VllmClient:
    """All methods raise ServerAway and ServerRefused."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    async def close(self) -> None:
        if "_http" in self.__dict__:  # it has been used
            await self._http.close()

    @cached_property
    def _http(self) -> aiohttp.ClientSession:
        """Made in the event loop that it belongs to."""
        return aiohttp.ClientSession(
            self.url,
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE),
        )

    async def cards(self) -> list[Card]:
        async with self._asked("GET", "/v1/models", timeout=LOOK) as response:
            found: Json = await response.json()
            return [
                Card(each["id"], each.get("parent"), each.get("max_model_len"))
                for each in found["data"]
            ]

    async def load(self, name: str, folder: Path) -> None:
        body = {"lora_name": name, "lora_path": str(folder)}
        async with self._asked("POST", "/v1/load_lora_adapter", body):
            pass

    async def unload(self, name: str) -> None:
        body = {"lora_name": name}
        async with self._asked("POST", "/v1/unload_lora_adapter", body, timeout=LOOK):
            pass

    async def complete(self, body: Json) -> Json:
        """The only choice of a completion."""
        async with self._asked("POST", "/v1/completions", body) as response:
            found: Json = await response.json()
            return found["choices"][0]

    async def stream(self, body: Json) -> AsyncGenerator[Json]:
        """The only choice of each chunk of a completion. To close it ends the request there."""
        is_done = False
        async with self._asked("POST", "/v1/completions", {**body, "stream": True}) as response:
            async for line in _lines(response):  # to its end, so that the connection is kept
                if is_done or not line.startswith(DATA):
                    continue
                if (text := line.removeprefix(DATA)) == DONE:
                    is_done = True
                    continue
                chunk: Json = from_json(text)
                if error := chunk.get("error"):
                    raise ServerRefused(error.get("code") or 500, _said(chunk))
                if chunk["choices"]:
                    yield chunk["choices"][0]
        if not is_done:
            raise ServerAway(MIDDLE)

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: Json | None = None, timeout: float | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        limit = USUAL if timeout is None else aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._http.request(method, path, json=body, timeout=limit) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    await _fail(response)
                yield response
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # or its session is closed
            logger.debug("%s: %r", self.url, error)
            told = f"The vLLM server cannot be reached ({type(error).__name__})."
            raise ServerAway(told) from error
        except ODD as error:
            raise odd(error) from error


def odd(error: Exception) -> ServerAway:
    return ServerAway(f"The vLLM server answers oddly ({type(error).__name__}).")


async def _fail(response: aiohttp.ClientResponse) -> None:
    text = (await response.read()).decode("utf-8", "replace")
    try:
        said = _said(from_json(text))
    except ValueError:
        said = text[:500]
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise ServerAway(f"The vLLM server is not ready: {said}")
    raise ServerRefused(response.status, said)


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Whole lines, wherever the network has cut them."""
    _acknowledge(response)
    rest = b""
    async for received in response.content.iter_any():
        _acknowledge(response)
        *lines, rest = (rest + received).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")


def _acknowledge(response: aiohttp.ClientResponse) -> None:
    """Let the server know at once what has come. vLLM 0.32 leaves Nagle's algorithm on, by which
    its next token waits for that, and Linux would tell it as late as 40 ms after."""
    connection = response.connection
    if sys.platform != "linux" or connection is None or connection.transport is None:
        return
    taken = connection.transport.get_extra_info("socket")
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # Linux takes it back by itself


def _said(body: Any) -> str:
    """What an error says: in OpenAI's shape, FastAPI's, or as a word (vLLM's own of a key)."""
    error: Any = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return str(error)
    found: Mapping[str, Any] = error
    return str(found.get("message") or found.get("detail") or found)
