"""langchain-openai."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

Serve = Callable[[Engine], str]


@pytest.fixture
def client(python_client: Callable[[str], Client]) -> Client:
    return python_client("langchain_client")


@pytest.fixture
def clinic(serve: Serve, add_adapter: Callable[..., Path]) -> str:
    """A server with a base and one adapter; its URL."""
    add_adapter("中医")
    return serve(ScriptedEngine({("中医",): "食可百合莲子粥。"}))


def test_invoke_answers_and_counts(client: Client, clinic: str):
    assert client.run(clinic, "invoke") == {"content": "食可百合莲子粥。", "tokens": 3}


def test_real_engine_answers(client: Client, real_server: str):
    answer = client.run(real_server, "invoke")
    assert answer["content"]
    assert answer["tokens"] > 0


def test_stream_has_the_pieces(client: Client, clinic: str):
    assert client.run(clinic, "stream") == ["食可百", "合莲子", "粥。"]


def test_pieces_come_before_the_answer_is_complete(
    client: Client, assert_streams: Callable[[Client], None]
):
    assert_streams(client)


def test_structured_output_is_enforced_by_its_schema(client: Client, serve: Serve):
    engine = ScriptedEngine(default='{"name": "百合", "dose": 10}')
    assert client.run(serve(engine), "structured") == {"name": "百合", "dose": 10}
    schema = engine.requests[0].sampling.json_schema
    assert schema is not None
    assert set(json.loads(schema)["properties"]) == {"name", "dose"}


def test_bound_tool_is_called(client: Client, serve_caller: Callable[..., str]):
    (call,) = client.run(serve_caller("Herb"), "call")
    assert (call["name"], call["args"]) == ("Herb", {"city": "北京"})
