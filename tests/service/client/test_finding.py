"""Which server `lora-chat chat` talks to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.cli import app
from service.client.finding import url_of_running
from service.errors import ServerRefused
from service.models import Models
from service.running import Announcement
from service.settings import ServiceSettings
from service.state.database import State
from serving.adapters.store import AdapterStore
from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.service.conftest import BASE

Serve = Callable[[Engine], str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.delenv("LORA_CHAT_KEY", raising=False)

    def call(*arguments: str, typed: str = "Hi\n") -> Result:
        command = ["chat", *arguments, "--home", str(tmp_path)]
        return CliRunner().invoke(app, command, input=typed, catch_exceptions=False)

    return call


@pytest.fixture
def announce(tmp_path: Path) -> Callable[..., str]:
    """Let a server be found by its URL; returns it."""

    def make(url: str, base: str = "base") -> str:
        Announcement(tmp_path, base).make(url)
        return url

    return make


def test_the_server_that_runs_is_found(
    run: Callable[..., Result], serve: Serve, announce: Callable[..., str]
):
    url = announce(serve(ScriptedEngine()))
    result = run()
    assert result.stdout == "I am the base model.\n"
    assert f"Found the server at {url}" in result.stderr


def test_a_url_wins_over_what_is_found(
    run: Callable[..., Result], serve: Serve, announce: Callable[..., str]
):
    announce(serve(ScriptedEngine()))
    result = run("--url", serve(ScriptedEngine(default="Me.")))
    assert result.stdout == "Me.\n"
    assert "Found" not in result.stderr


def test_of_several_servers_the_one_with_the_base_or_the_model_answers(
    run: Callable[..., Result],
    serve: Serve,
    serve_app: Callable[..., str],
    announce: Callable[..., str],
    add_adapter: Callable[..., Path],
    tokenizer: Any,
    tmp_path: Path,
):
    add_adapter("tcm")
    announce(serve(ScriptedEngine(default="The elder.")), "elder")
    others = Models("other", tokenizer, AdapterStore(tmp_path / "none", BASE))
    younger = build_app(ScriptedEngine(default="The younger."), others, ServiceSettings())
    announce(serve_app(younger), "younger")
    assert run().stdout == "The younger.\n"
    assert run("tcm").stdout == "The elder.\n"
    assert run("other").stdout == "The younger.\n"
    assert run("--base", "elder").stdout == "The elder.\n"
    with pytest.raises(ServerRefused, match="no model 'nobody'"):
        run("nobody")


def test_no_server_of_another_base_is_taken(
    serve: Serve, announce: Callable[..., str], tmp_path: Path
):
    url = announce(serve(ScriptedEngine()))
    assert url_of_running(tmp_path, "other", None, None) is None
    assert url_of_running(tmp_path, "base", "nobody", None) == url


def test_a_key_is_asked_for_and_taken(
    run: Callable[..., Result],
    serve_app: Callable[..., str],
    announce: Callable[..., str],
    models_here: Models,
    own_state: State,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    key = Keys(own_state).create(KeyWish("anna"))[1]
    engine = ScriptedEngine()
    settings = ServiceSettings(home=tmp_path)
    announce(serve_app(build_app(engine, models_here, settings, state=own_state)))
    with pytest.raises(ServerRefused, match="needs a key") as refused:
        run()
    for way in ("--api-key", "LORA_CHAT_KEY", "lora-chat keys create"):
        assert way in str(refused.value)
    with pytest.raises(ServerRefused, match="not valid here"):
        run("--api-key", "lc-wrong")
    assert run("--api-key", key).stdout == "I am the base model.\n"
    monkeypatch.setenv("LORA_CHAT_KEY", key)
    assert run().stdout == "I am the base model.\n"
