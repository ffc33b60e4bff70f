"""What a request may ask for, and how long its answer may take."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import APIError, InternalServerError, OpenAI

from serving.engine import Delta, Request
from serving.scripted import ScriptedEngine

NEVER = 600.0  # [seconds] before a token
SOON = 0.05  # [seconds]
PATIENT = 20  # [seconds] for a busy machine


class Stuck(ScriptedEngine):
    """Answers with one token, and then no more."""

    is_cancelled = False

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        yield Delta((0,), "word ")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


def chat(client: TestClient, **fields: Any) -> Any:
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]} | fields
    return client.post("/v1/chat/completions", json=body)


def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    return response.json()["error"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_of_too_many_tokens_is_refused_with_both_numbers(
    open_client: Callable[..., TestClient], stream: bool
):
    engine = ScriptedEngine()
    client = open_client(engine, max_prompt_tokens=10)
    error = error_of(chat(client, stream=stream), 400)
    assert (error["param"], error["code"]) == ("messages", "context_length_exceeded")
    assert " tokens, and this server takes 10 at most" in error["message"]
    assert engine.requests == []


def test_a_text_of_too_many_tokens_is_refused_by_its_own_field(
    open_client: Callable[..., TestClient],
):
    client = open_client(ScriptedEngine(), max_prompt_tokens=10)
    body = {"model": "base", "prompt": "x" * 11}
    error = error_of(client.post("/v1/completions", json=body), 400)
    assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded")


def test_a_prompt_as_long_as_is_allowed_is_answered(open_client: Callable[..., TestClient]):
    engine = ScriptedEngine()
    chat(open_client(engine))
    length = len(engine.requests[0].prompt_ids)
    assert chat(open_client(ScriptedEngine(), max_prompt_tokens=length)).status_code == 200
    error_of(chat(open_client(ScriptedEngine(), max_prompt_tokens=length - 1)), 400)


def test_more_tokens_than_the_server_answers_with_are_refused(
    open_client: Callable[..., TestClient],
):
    client = open_client(ScriptedEngine(), max_output_tokens=5)
    assert chat(client, max_tokens=5).status_code == 200
    error = error_of(chat(client, max_tokens=6), 400)
    assert error["param"] == "max_tokens"
    assert "up to 6 tokens" in error["message"]
    assert "5 at most" in error["message"]
    error = error_of(chat(client, max_completion_tokens=6), 400)
    assert error["param"] == "max_completion_tokens"


def test_a_request_that_asks_for_nothing_is_within_the_limit(
    open_client: Callable[..., TestClient],
):
    engine = ScriptedEngine()
    client = open_client(engine, max_output_tokens=5)
    assert chat(client).status_code == 200
    assert chat(client, max_tokens=-1).status_code == 200
    assert [request.sampling.max_tokens for request in engine.requests] == [5, 5]


@pytest.mark.parametrize("stream", [False, True])
def test_more_answers_than_allowed_are_refused(
    open_client: Callable[..., TestClient], stream: bool
):
    client = open_client(ScriptedEngine(), max_choices=2)
    assert chat(client, n=2, stream=stream).status_code == 200
    error = error_of(chat(client, n=3, stream=stream), 400)
    assert error["param"] == "n"
    assert "2" in error["message"]


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_takes_too_long_is_cancelled_and_said(
    open_client: Callable[..., TestClient], stream: bool, n: int
):
    engine = ScriptedEngine(delay=NEVER)
    response = chat(open_client(engine, deadline=SOON), stream=stream, n=n)
    error = error_of(response, 504)
    assert (error["type"], error["code"]) == ("server_error", "deadline_exceeded")
    assert "0.05 seconds" in error["message"]
    assert response.headers["x-should-retry"] == "false"
    assert {request.id for request in engine.cancelled} == {
        request.id for request in engine.requests
    }
    assert len(engine.requests) == n


def test_a_stream_that_takes_too_long_ends_with_an_error(serve: Callable[..., str]):
    engine = Stuck()
    url = serve(engine, deadline=SOON)
    with OpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="base",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
        )
        assert next(stream).choices[0].delta.role == "assistant"
        with pytest.raises(APIError) as caught:
            list(stream)
    assert caught.value.code == "deadline_exceeded"
    assert not isinstance(caught.value, InternalServerError)
    assert engine.is_cancelled


def test_an_answer_in_time_is_not_touched(open_client: Callable[..., TestClient]):
    client = open_client(ScriptedEngine(), deadline=PATIENT)
    for _ in range(30):
        assert chat(client).status_code == 200
