"""One vLLM server over HTTP: its models, its adapters, and completions of token ids.

The shapes are those of vLLM's OpenAI server (vllm/entrypoints/openai, 0.32).
"""

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

CONNECT = 5.0  # [seconds]
LOOK = 10.0  # [seconds] for what needs no model
SILENCE = 300.0  # [seconds] for a long prompt behind others, or a large adapter
DATA, DONE = "data: ", "[DONE]"
ODD = (ValueError, KeyError, IndexError, TypeError)  # of what is not what it should be

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
        self.url = url.rstrip("/").removesuffix("/v1")
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(SILENCE, connect=CONNECT),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def cards(self) -> list[Card]:
        async with self._asked("GET", "/v1/models", timeout=LOOK) as response:
            found: Json = json.loads(await response.aread())
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
        async with self._asked("POST", "/v1/unload_lora_adapter", body):
            pass

    async def complete(self, body: Json) -> Json:
        """The only choice of a completion."""
        async with self._asked("POST", "/v1/completions", body) as response:
            found: Json = json.loads(await response.aread())
            return found["choices"][0]

    async def stream(self, body: Json) -> AsyncGenerator[Json]:
        """The only choice of each chunk of a completion. To close it ends the request there."""
        async with self._asked("POST", "/v1/completions", {**body, "stream": True}) as response:
            async for line in response.aiter_lines():
                if not line.startswith(DATA):
                    continue
                if (text := line.removeprefix(DATA)) == DONE:
                    return
                chunk: Json = json.loads(text)
                if error := chunk.get("error"):
                    raise ServerRefused(error.get("code") or 500, _said(chunk))
                if chunk["choices"]:
                    yield chunk["choices"][0]
        raise ServerAway("The vLLM server has ended an answer in its middle.")

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: Json | None = None, timeout: float | None = None
    ) -> AsyncGenerator[httpx.Response]:
        limit = httpx.USE_CLIENT_DEFAULT if timeout is None else httpx.Timeout(timeout)
        try:
            async with self._http.stream(method, path, json=body, timeout=limit) as response:
                if response.status_code >= HTTPStatus.BAD_REQUEST:
                    await self._fail(response)
                yield response
        except (httpx.HTTPError, *ODD) as error:
            logger.debug("%s does not answer as a vLLM does: %r", self.url, error)
            told = "cannot be reached" if isinstance(error, httpx.HTTPError) else "answers oddly"
            raise ServerAway(f"The vLLM server {told} ({type(error).__name__}).") from error

    async def _fail(self, response: httpx.Response) -> None:
        text = (await response.aread()).decode("utf-8", "replace")
        try:
            said = _said(json.loads(text))
        except ValueError:
            said = text[:500]
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise ServerAway(f"The vLLM server is not ready: {said}")
        raise ServerRefused(response.status_code, said)


def _said(body: Any) -> str:
    """What an error says: in OpenAI's shape, FastAPI's, or as a word (vLLM's own of a key)."""
    error: Any = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return str(error)
    found: Mapping[str, Any] = error
    return str(found.get("message") or found.get("detail") or found)
