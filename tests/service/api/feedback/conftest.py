"""A server that stores answers, and keys for it."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

MESSAGES: Any = [
    {"role": "system", "content": "你是中医。"},
    {"role": "user", "content": "失眠怎么办？"},
]
ANSWER = "早睡。"

Start = Callable[..., TestClient]
Key = Callable[..., dict[str, str]]


@pytest.fixture
def build_stored(models_here: Models, own_state: State, tmp_path: Path) -> Callable[..., FastAPI]:
    """The application with a home; then any of the settings."""

    def build(engine: Engine | None = None, **settings: Any) -> FastAPI:
        settings.setdefault("store_answers", "asked")
        given = ServiceSettings(home=tmp_path, **settings)
        engine = engine or ScriptedEngine(default=ANSWER)
        return build_app(engine, models_here, given, state=own_state)

    return build


@pytest.fixture
def start(build_stored: Callable[..., FastAPI]) -> Generator[Start]:
    with ExitStack() as stack:
        yield lambda engine=None, **settings: stack.enter_context(
            TestClient(build_stored(engine, **settings), base_url=URL)
        )


@pytest.fixture
def key(own_state: State) -> Key:
    """Headers with a new key of this name; then anything else of it."""

    def make(name: str, **wish: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {Keys(own_state).create(KeyWish(name, **wish))[1]}"}

    return make


def ask(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    body = {"model": "base", "messages": MESSAGES} | fields
    return client.post("/v1/chat/completions", json=body, headers=headers)
