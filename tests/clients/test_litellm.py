"""litellm."""

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
def client(python_client: Callable[[str], Client]) -> Client:
    return python_client("litellm_client")


@pytest.fixture
def clinic(serve: Serve, add_adapter: Callable[..., Path]) -> str:
    """A server with a base and one adapter; its URL."""
    add_adapter("中医")
    return serve(ScriptedEngine({("中医",): "食可百合莲子粥。"}))


def test_completion_answers_and_counts(client: Client, clinic: str):
    assert client.run(clinic, "completion") == {"content": "食可百合莲子粥。", "tokens": 3}


def test_real_engine_answers(client: Client, real_server: str):
    answer = client.run(real_server, "completion")
    assert answer["content"]
    assert answer["tokens"] > 0


def test_asynchronous_stream_has_the_answer(client: Client, clinic: str):
    pieces = client.run(clinic, "stream")
    assert "".join(pieces) == "食可百合莲子粥。"
    assert len(pieces) > 2


def test_pieces_come_before_the_answer_is_complete(
    client: Client, assert_streams: Callable[[Client], None]
):
    assert_streams(client)


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("wrong_field", {"class": "BadRequestError", "status": 400}),
        ("too_long", {"class": "ContextWindowExceededError", "status": 400}),
        ("unknown_model", {"class": "NotFoundError", "status": 404}),
    ],
)
def test_refusal_is_litellms_own_error(
    client: Client, clinic: str, scenario: str, expected: dict[str, object]
):
    assert client.run(clinic, scenario) == expected


def test_busy_engine_is_a_rate_limit(client: Client, serve: Serve):
    url = serve(ScriptedEngine(failure=EngineBusy("The queue is full.")))
    assert client.run(url, "ask") == {"class": "RateLimitError", "status": 429}
