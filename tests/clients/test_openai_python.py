"""OpenAI's own client for Python, in an environment of its own."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import open_state
from serving.engine import Delta, Engine, Request
from serving.errors import EngineBusy, EngineFailed
from serving.scripted import ScriptedEngine
from tests.clients.conftest import TOOLS, Client

pytestmark = pytest.mark.slow

Serve = Callable[[Engine], str]


@pytest.fixture
def client(python_client: Callable[[str], Client]) -> Client:
    return python_client("openai_python")


@pytest.fixture
def clinic(serve: Serve, add_adapter: Callable[..., Path]) -> str:
    """A server with a base and one adapter; its URL."""
    add_adapter("中医")
    return serve(ScriptedEngine({("中医",): "食可百合莲子粥。"}))


@pytest.mark.parametrize("scenario", ["plain", "concurrent"])
def test_each_model_gives_its_own_answer(client: Client, clinic: str, scenario: str):
    assert client.run(clinic, scenario) == ["I am the base model.", "食可百合莲子粥。"]


def test_stream_has_the_text_the_reason_and_no_usage(client: Client, clinic: str):
    assert client.run(clinic, "stream") == [
        ["", None, None],
        ["食可百", None, None],
        ["合莲子", None, None],
        ["粥。", None, None],
        [None, "stop", None],
    ]


def test_asynchronous_stream_has_the_same_pieces(client: Client, clinic: str):
    assert client.run(clinic, "concurrent_stream") == ["", "食可百", "合莲子", "粥。", None]


def test_pieces_come_before_the_answer_is_complete(
    client: Client, assert_streams: Callable[[Client], None]
):
    assert_streams(client)


def test_usage_comes_after_the_last_choice(client: Client, clinic: str):
    last = client.run(clinic, "usage")
    assert last["choices"] == []
    usage = last["usage"]
    assert usage["completion_tokens"] == 7
    assert usage["total_tokens"] == usage["prompt_tokens"] + 7


def test_parsed_answer_is_a_model_of_the_callers(client: Client, serve: Serve):
    url = serve(ScriptedEngine(default='{"name": "百合", "dose": 10}'))
    assert client.run(url, "parse") == {"name": "百合", "dose": 10}


def test_models_are_listed_and_found(client: Client, clinic: str):
    assert client.run(clinic, "models") == [["base", "中医"], "中医@1"]


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("wrong_field", ("BadRequestError", 400, "invalid_request_error", "n", None)),
        (
            "too_long",
            (
                "BadRequestError",
                400,
                "invalid_request_error",
                "messages",
                "context_length_exceeded",
            ),
        ),
        (
            "unknown_model",
            ("NotFoundError", 404, "invalid_request_error", "model", "model_not_found"),
        ),
    ],
)
def test_refusal_is_the_clients_own_error(
    client: Client, clinic: str, scenario: str, expected: tuple[object, ...]
):
    error = client.run(clinic, scenario)
    shown = (error["class"], error["status"], error["type"], error["param"], error["code"])
    assert shown == expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (EngineBusy("The queue is full."), ("RateLimitError", 429, "rate_limit_error")),
        (EngineFailed("A step failed."), ("InternalServerError", 500, "server_error")),
    ],
)
def test_engines_error_is_the_clients_own_error(
    client: Client, serve: Serve, failure: Exception, expected: tuple[object, ...]
):
    error = client.run(serve(ScriptedEngine(failure=failure)), "ask")
    assert (error["class"], error["status"], error["type"]) == expected


class BusyOnce(ScriptedEngine):
    """Refuses its first request; knows when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self.times.append(monotonic())
        if len(self.times) == 1:
            raise EngineBusy("The queue is full.")
        async for delta in super().submit(request):
            yield delta


def test_retry_waits_as_long_as_the_server_asks(client: Client, serve: Serve):
    engine = BusyOnce()
    assert client.run(serve(engine), "retry") == "I am the base model."
    first, second = engine.times
    assert second - first >= 1  # on its own it would wait half a second


def test_real_engine_streams_what_it_answers_whole(client: Client, real_server: str):
    result = client.run(real_server, "real_stream")
    assert result["streamed"] == result["whole"]
    assert result["completion_tokens"] == 12
    assert result["num_events"] > 4


def test_adapter_is_deleted(client: Client, clinic: str):
    assert client.run(clinic, "delete") == ["中医", True, ["base"]]


def test_missing_key_is_an_authentication_error(
    client: Client, models_here: Models, serve_app: Callable[..., str], tmp_path: Path
):
    with closing(open_state(tmp_path)) as state:
        _, secret = Keys(state).create(KeyWish("anna"))
        settings = ServiceSettings(home=tmp_path)
        url = serve_app(build_app(ScriptedEngine(), models_here, settings, state=state))
        error = client.run(url, "ask", key="lc-wrong")
        answer = client.run(url, "ask", key=secret)
    shown = (error["class"], error["status"], error["type"], error["code"])
    assert shown == ("AuthenticationError", 401, "authentication_error", "invalid_api_key")
    assert answer["message"]["content"] == "I am the base model."


@pytest.mark.parametrize("scenario", ["call", "streamed_call"])
def test_tool_is_called(client: Client, serve_caller: Callable[..., str], scenario: str):
    choice = client.run(serve_caller("weather", "Let me see. "), scenario)
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"].strip() == "Let me see."
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["id"]
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "北京"}


def test_answer_to_a_call_is_taken(client: Client, serve: Serve, add_adapter: Callable[..., Path]):
    add_adapter("中医", template=TOOLS)
    assert client.run(serve(ScriptedEngine(default="It rains.")), "answered_call") == "It rains."


def test_texts_are_completed(client: Client, clinic: str):
    answers = [[0, "I am the ", "length"], [1, "I am the ", "length"]]
    assert client.run(clinic, "text") == answers
    assert client.run(clinic, "streamed_text") == "I am the "
