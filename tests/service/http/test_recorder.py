"""Every request has an id and a line in the log, which never tells what was said in it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.errors import EngineBusy
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

SECRET = "my secret question"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What was logged of each request."""
    caplog.set_level(logging.INFO)

    def fields() -> list[dict[str, Any]]:
        return [record.__dict__["fields"] for record in caplog.records if hasattr(record, "fields")]

    return fields


def chat(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    body = {"model": "base", "messages": [{"role": "user", "content": SECRET}]} | fields
    return client.post("/v1/chat/completions", json=body, headers=headers)


@pytest.mark.parametrize("given", ["a", "Trace_1.2-3", "x" * 128])
def test_a_plain_request_id_is_taken_from_the_client(
    open_client: Callable[..., TestClient], given: str
):
    response = open_client(ScriptedEngine()).get("/health", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", 'a"b', "<script>", "%0a"])
def test_any_other_request_id_is_replaced(open_client: Callable[..., TestClient], given: str):
    response = open_client(ScriptedEngine()).get("/health", headers={"x-request-id": given})
    assert response.headers["x-request-id"].startswith("req-")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/nowhere"), ("PUT", "/v1/models")]
)
def test_every_answer_has_an_id_of_its_own_and_is_taken_as_what_it_is(
    open_client: Callable[..., TestClient], method: str, path: str
):
    client = open_client(ScriptedEngine())
    answers = [client.request(method, path) for _ in range(2)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}


@pytest.mark.parametrize("failure", [RuntimeError("oh"), EngineBusy("full")])
def test_errors_have_an_id_too(open_client: Callable[..., TestClient], failure: Exception):
    response = chat(open_client(ScriptedEngine(failure=failure)))
    assert response.status_code in (429, 500)
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_says_what_a_request_was_and_how_it_went(
    open_client: Callable[..., TestClient],
    add_adapter: Callable[..., Path],
    lines: Callable[[], list[dict[str, Any]]],
    stream: bool,
):
    add_adapter("中医", "2")
    client = open_client(ScriptedEngine(default="abcdef"))
    response = chat(client, {"x-request-id": "mine"}, model="中医", stream=stream)
    (fields,) = lines()
    assert 0 < fields.pop("first_token_ms") <= fields.pop("total_ms")
    assert fields.pop("prompt_tokens") > len(SECRET)
    assert response.headers["x-request-id"] == "mine"
    assert fields == {
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "model": "中医",
        "adapters": "中医@2",
        "completion_tokens": 2,
        "finish": "stop",
    }


def test_a_prompt_of_several_answers_counts_once(
    open_client: Callable[..., TestClient], lines: Callable[[], list[dict[str, Any]]]
):
    client = open_client(ScriptedEngine(default="abcdef"))
    chat(client)
    chat(client, n=3)
    one, three = lines()
    assert three["prompt_tokens"] == one["prompt_tokens"]
    assert three["completion_tokens"] == 3 * one["completion_tokens"]


def test_prompts_and_answers_are_never_logged(
    open_client: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    assert chat(open_client(ScriptedEngine(default="my secret answer"))).status_code == 200
    assert "POST /v1/chat/completions 200" in caplog.text
    assert "secret" not in caplog.text + "".join(str(record.__dict__) for record in caplog.records)


def test_prompts_and_answers_are_logged_where_that_is_wanted(
    open_client: Callable[..., TestClient], lines: Callable[[], list[dict[str, Any]]]
):
    client = open_client(ScriptedEngine(default="my answer"), log_content=True)
    chat(client, n=2)
    (fields,) = lines()
    assert SECRET in fields["prompt"]
    assert fields["answers"] == ["my answer", "my answer"]


def test_requests_are_not_logged_where_that_is_not_wanted(
    open_client: Callable[..., TestClient], lines: Callable[[], list[dict[str, Any]]]
):
    chat(open_client(ScriptedEngine(), log_requests=False))
    assert lines() == []


def test_probes_are_not_worth_a_line(
    open_client: Callable[..., TestClient], lines: Callable[[], list[dict[str, Any]]]
):
    client = open_client(ScriptedEngine())
    for path in ("/health", "/ready", "/metrics"):
        assert client.get(path).status_code == 200
    assert lines() == []


def test_the_line_of_a_failed_answer_names_the_failure(
    open_client: Callable[..., TestClient], lines: Callable[[], list[dict[str, Any]]]
):
    chat(open_client(ScriptedEngine(failure=EngineBusy("full"))))
    (fields,) = lines()
    assert (fields["status"], fields["finish"]) == (429, "EngineBusy")


def test_the_line_names_the_key_that_asked(
    build: Callable[..., FastAPI], lines: Callable[[], list[dict[str, Any]]]
):
    @dataclass
    class Somebody:
        name: str

    class Naming:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope["caller"] = Somebody("front desk")
            await self.app(scope, receive, send)

    app = build(ScriptedEngine())
    app.add_middleware(Naming)
    with TestClient(app, base_url=URL) as client:
        client.get("/v1/models")
    (fields,) = lines()
    assert fields["key"] == "front desk"
