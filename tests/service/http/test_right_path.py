"""Paths that come near a route's: told, never served, and asked for the key of the right one."""

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import open_state
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

CHAT = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]}
NEAR = [
    ("POST", "/v1/chat/completions/", "/v1/chat/completions"),
    ("POST", "/chat/completions", "/v1/chat/completions"),
    ("POST", "/completions", "/v1/completions"),
    ("POST", "/v1//chat/completions", "/v1/chat/completions"),
    ("POST", "/v1/v1/chat/completions", "/v1/chat/completions"),
    ("POST", "/api/v1/chat/completions/", "/v1/chat/completions"),
    ("POST", "/V1/chat/completions", "/v1/chat/completions"),
    ("POST", "/v1/tokenize", "/tokenize"),
    ("GET", "/models", "/v1/models"),
    ("GET", "/models/", "/v1/models"),
    ("GET", "//v1/models", "/v1/models"),
    ("GET", "/v1//models", "/v1/models"),
    ("GET", "/models/base", "/v1/models/base"),
    ("GET", "/v1/adapters/", "/v1/adapters"),
    ("GET", "/health/", "/health"),
]
FAR = ["/v1", "/v1/", "/api/tags", "/v1/embeddings", "/favicon.ico", "/a" * 9_000]


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def client(open_client: Callable[..., TestClient], engine: ScriptedEngine) -> TestClient:
    return open_client(engine)


@pytest.fixture
def guarded(
    models_here: Models, engine: ScriptedEngine, tmp_path: Path
) -> Generator[tuple[TestClient, dict[str, str]]]:
    """A server that asks for keys, and the header of one that may chat."""
    with closing(open_state(tmp_path, None)) as state:
        _, key = Keys(state).create(KeyWish("anna"))
        app = build_app(engine, models_here, ServiceSettings(home=tmp_path), state=state)
        with TestClient(app, base_url=URL) as client:
            yield client, {"Authorization": f"Bearer {key}"}


def ask(client: TestClient, method: str, path: str, **options: Any) -> Any:
    return client.request(method, URL + path, json=CHAT if method == "POST" else None, **options)


def message_of(response: Any, status: int = 404) -> str:
    assert response.status_code == status, response.text
    return response.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "right"), NEAR)
def test_a_path_that_comes_near_is_told_the_right_one_and_not_served(
    client: TestClient, engine: ScriptedEngine, method: str, path: str, right: str
):
    message = message_of(ask(client, method, path))
    assert message.startswith(f"Not Found: {method} {path}. Write {right}")
    assert ("base URL ends in /v1" in message) == right.startswith("/v1")
    assert engine.requests == []


@pytest.mark.parametrize("path", FAR)
def test_a_path_that_comes_near_none_is_told_where_they_are_listed(client: TestClient, path: str):
    assert message_of(ask(client, "GET", path)).endswith(
        "OpenAI's API is under /v1 here, and /docs lists all paths."
    )


def test_the_right_path_lies_below_a_proxys(client: TestClient):
    below = TestClient(client.app, base_url=URL, root_path="/lora")
    assert "Write /lora/v1/models (" in message_of(ask(below, "GET", "/lora/models"))


def test_a_path_that_comes_near_is_counted_as_none_of_ours(client: TestClient):
    ask(client, "GET", "/models")
    counted = client.get("/metrics").text
    assert 'endpoint="other",model="",status="404"' in counted
    assert '"/models"' not in counted


def test_models_are_listed_with_a_slash_at_the_end(client: TestClient):
    assert ask(client, "GET", "/v1/models/").json() == ask(client, "GET", "/v1/models").json()


def test_a_path_that_comes_near_needs_the_key_of_the_right_one(
    guarded: tuple[TestClient, dict[str, str]],
):
    client, key = guarded
    for method, path, right in NEAR:
        is_open = right == "/health"
        assert ask(client, method, path).status_code == (404 if is_open else 401), path
        assert right in message_of(ask(client, method, path, headers=key))


def test_what_needs_an_admin_needs_one_by_a_near_path_too(
    guarded: tuple[TestClient, dict[str, str]],
):
    client, key = guarded
    for method, path in [
        ("DELETE", "/models/tcm"),
        ("POST", "/load_lora_adapter"),
        ("POST", "/v1/adapters/"),
        ("GET", "/v1/completions"),
        ("GET", "/whatever/comes"),
    ]:
        message_of(ask(client, method, path, headers=key), 403)
