"""A server that keeps files, and keys for it."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.accounts.caller import Limits, Scope
from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine

URL = "http://127.0.0.1:8000"


@pytest.fixture
def build_files(models_here: Models, own_state: State, tmp_path: Path) -> Callable[..., FastAPI]:
    """The application with a home; then any of the settings."""

    def build(**settings: Any) -> FastAPI:
        given = ServiceSettings(home=tmp_path, **settings)
        return build_app(ScriptedEngine(), models_here, given, state=own_state)

    return build


@pytest.fixture
def start(build_files: Callable[..., FastAPI]) -> Generator[Callable[..., TestClient]]:
    """A client of a server with these settings; stopped with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            TestClient(build_files(**settings), base_url=URL, raise_server_exceptions=False)
        )


@pytest.fixture
def client(start: Callable[..., TestClient]) -> TestClient:
    return start()


@pytest.fixture
def key(own_state: State) -> Callable[..., dict[str, str]]:
    """Headers with a new key of this name; then its scopes and limits."""

    def make(name: str, *scopes: Scope, **limits: int) -> dict[str, str]:
        wish = KeyWish(name, scopes or ("train",), limits=Limits(**limits))
        return {"Authorization": f"Bearer {Keys(own_state).create(wish)[1]}"}

    return make
