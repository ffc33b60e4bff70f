"""The shapes of answers and streams."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.errors import EngineFailed
from serving.scripted import ScriptedEngine

Ask = Callable[..., Any]


def events_of(response: Any) -> list[Any]:
    """The payloads of a stream, [DONE] as a plain string."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = response.text.removesuffix("\n\n").split("\n\n")
    payloads = [block.removeprefix("data: ") for block in blocks]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]


def test_plain_answer_has_openais_shape(ask: Ask):
    answer = ask(ScriptedEngine(default="Hello!")).json()
    assert answer.pop("id").startswith("chatcmpl-")
    prompt_tokens = answer["usage"]["prompt_tokens"]
    assert isinstance(answer.pop("created"), int)
    assert answer == {
        "object": "chat.completion",
        "model": "base",
        "system_fingerprint": "base",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": 2,
            "total_tokens": prompt_tokens + 2,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def test_answer_cut_at_max_tokens_says_length(ask: Ask):
    choice = ask(ScriptedEngine(default="Hello!"), max_tokens=1).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hel", "length")


def test_answer_names_the_versions_that_gave_it(ask: Ask, add_adapter: Callable[..., Path]):
    add_adapter("tcm", "2")
    add_adapter("style")
    answer = ask(model="tcm:0.5+style").json()
    assert answer["model"] == "tcm:0.5+style"
    assert answer["system_fingerprint"] == "tcm@2:0.5+style@1:1"


def test_stream_has_role_content_end_and_done(ask: Ask):
    *chunks, done = events_of(ask(ScriptedEngine(default="甲乙丙丁"), stream=True))
    assert done == "[DONE]"
    assert [chunk["choices"][0] for chunk in chunks] == [
        {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        for delta, finish_reason in [
            ({"role": "assistant", "content": ""}, None),
            ({"content": "甲乙丙"}, None),
            ({"content": "丁"}, None),
            ({}, "stop"),
        ]
    ]
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert all("usage" not in chunk for chunk in chunks)


def test_stream_with_usage_has_it_null_until_the_last_chunk(ask: Ask):
    fields = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last, done = events_of(ask(ScriptedEngine(default="Hello!"), **fields))
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 2
    assert done == "[DONE]"


def test_error_in_the_middle_of_a_stream_is_its_last_event(ask: Ask):
    engine = ScriptedEngine(failure=EngineFailed("A step failed."), fail_at=1)
    *chunks, last = events_of(ask(engine, stream=True))
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["", "I a"]
    assert last == {
        "error": {"message": "A step failed.", "type": "server_error", "param": None, "code": None}
    }


def test_unexpected_error_in_the_middle_of_a_stream_is_logged_and_not_told(
    ask: Ask, caplog: pytest.LogCaptureFixture
):
    engine = ScriptedEngine(failure=RuntimeError("secret"), fail_at=1)
    last = events_of(ask(engine, stream=True))[-1]
    assert "secret" not in last["error"]["message"]
    assert "RuntimeError: secret" in caplog.text


def test_empty_answer_is_an_empty_text(ask: Ask):
    engine = ScriptedEngine(answers={(): ""})
    assert ask(engine).json()["choices"][0]["message"]["content"] == ""
    assert engine.running == {}


def test_disclaimer_comes_with_the_answer_and_with_the_end_of_a_stream(
    ask: Ask, add_adapter: Callable[..., Path]
):
    add_adapter("中医", disclaimer="仅供参考。")
    assert ask(model="中医").json()["disclaimer"] == "仅供参考。"
    *chunks, last, _ = events_of(ask(model="中医", stream=True))
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["disclaimer"] == "仅供参考。"
    assert all("disclaimer" not in chunk for chunk in chunks)


def test_answer_without_a_disclaimer_has_no_such_field(ask: Ask, add_adapter: Callable[..., Path]):
    add_adapter("style")
    assert "disclaimer" not in ask(model="style").json()
    *chunks, _ = events_of(ask(model="style", stream=True))
    assert all("disclaimer" not in chunk for chunk in chunks)


@pytest.mark.parametrize("fields", [{}, {"n": 2}, {"stream": True}, {"n": 2, "stream": True}])
def test_context_that_is_too_short_is_told_with_both_numbers(ask: Ask, fields: dict[str, Any]):
    response = ask(ScriptedEngine(context_length=40), max_tokens=30, **fields)
    assert response.status_code == 400
    error = response.json()["error"]
    message = error.pop("message")
    assert error == {
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    assert " 40 tokens" in message
    assert " 30 more" in message
    assert " 21 prompt" in message


def test_every_event_is_one_line_of_json(ask: Ask):
    response = ask(ScriptedEngine(default="a\nb\r\u2028c"), stream=True)
    lines = [line for line in response.content.split(b"\n") if line]
    assert all(line.startswith(b"data: ") for line in lines)
    texts = [
        json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"].get("content", "")
        for line in lines[:-1]
    ]
    assert "".join(texts) == "a\nb\r\u2028c"
