"""OpenAI's own client for Node."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.engine import Engine
from serving.errors import EngineBusy
from serving.scripted import ScriptedEngine
from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

Serve = Callable[[Engine], str]


@pytest.fixture
def clinic(serve: Serve, add_adapter: Callable[..., Path]) -> str:
    """A server with a base and one adapter; its URL."""
    add_adapter("中医")
    return serve(ScriptedEngine({("中医",): "食可百合莲子粥。"}))


def test_each_model_gives_its_own_answer(node_client: Client, clinic: str):
    assert node_client.run(clinic, "plain") == ["I am the base model.", "食可百合莲子粥。"]


def test_pieces_come_before_the_answer_is_complete(
    node_client: Client, assert_streams: Callable[[Client], None]
):
    assert_streams(node_client)


def test_streaming_helper_puts_pieces_and_usage_together(node_client: Client, clinic: str):
    assert node_client.run(clinic, "helper") == {
        "pieces": ["食可百", "合莲子", "粥。"],
        "content": "食可百合莲子粥。",
        "completion_tokens": 3,
    }


def test_real_engine_answers(node_client: Client, real_server: str):
    found = node_client.run(real_server, "helper")
    assert found["content"] == "".join(found["pieces"])
    assert found["completion_tokens"] >= len(found["pieces"]) > 1


def test_models_are_listed_and_found(node_client: Client, clinic: str):
    assert node_client.run(clinic, "models") == [["base", "中医"], "中医@1"]


def test_busy_engine_is_a_rate_limit(node_client: Client, serve: Serve):
    url = serve(ScriptedEngine(failure=EngineBusy("The queue is full.")))
    error = node_client.run(url, "ask")
    assert (error["class"], error["status"]) == ("RateLimitError", 429)


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("wrong_field", ("BadRequestError", 400, "n", None)),
        ("unknown_model", ("NotFoundError", 404, "model", "model_not_found")),
    ],
)
def test_refusal_is_the_clients_own_error(
    node_client: Client, clinic: str, scenario: str, expected: tuple[object, ...]
):
    error = node_client.run(clinic, scenario)
    assert (error["class"], error["status"], error["param"], error["code"]) == expected


def test_tool_is_called_in_a_stream(node_client: Client, serve_caller: Callable[..., str]):
    called = node_client.run(serve_caller("weather"), "call")
    assert called["finish_reason"] == "tool_calls"
    assert called["function"]["name"] == "weather"
    assert json.loads(called["function"]["arguments"]) == {"city": "北京"}
