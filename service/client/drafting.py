"""A model behind an OpenAI-compatible URL, as something that answers a prompt."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx

from data.label import Generate
from data.wording import _
from service.errors import ServerRefused
from service.http.endpoints import CHAT, LIST_MODELS, root_of

TEMPERATURE = 0.3
ANSWER_TOKENS = 512


@contextmanager
def drafting(url: str, model: str | None, key: str | None) -> Generator[Generate]:
    """Raises ServerRefused where no server answers, or where it does not have the model."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = httpx.Timeout(600, connect=10)
    with httpx.Client(base_url=root_of(url), headers=headers, timeout=timeout) as client:
        chosen = model or _ask(client, "GET", LIST_MODELS.path, lambda said: said["data"][0]["id"])

        def generate(prompt: str) -> str:
            body = {
                "model": chosen,
                "messages": [{"role": "user", "content": prompt}],
                "temperature": TEMPERATURE,
                "max_tokens": ANSWER_TOKENS,
            }
            return _ask(client, "POST", CHAT.path, _content, body)

        yield generate


def _content(said: Any) -> str:
    return said["choices"][0]["message"]["content"] or ""


def _ask(
    client: httpx.Client, method: str, path: str, find: Callable[[Any], Any], body: Any = None
) -> str:
    try:
        response = client.request(method, path, json=body)
        response.raise_for_status()
        found = find(response.json())
    except httpx.HTTPStatusError as error:
        told = _("{url} answered {status}: {said}").format(
            url=client.base_url, status=error.response.status_code, said=error.response.text[:300]
        )
        raise ServerRefused(told) from error
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        told = _("{url} does not answer as it should: {error}")
        raise ServerRefused(told.format(url=client.base_url, error=error)) from error
    if not isinstance(found, str):
        told = _("{url} answers with something else than text.")
        raise ServerRefused(told.format(url=client.base_url))
    return found
