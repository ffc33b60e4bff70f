"""What clients of other servers send without a second thought: taken, or refused by name."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.chat import Tokenizer
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from serving.adapters.store import AdapterStore
from serving.scripted import ScriptedEngine
from tests.service.conftest import BASE, URL

CHAT = "/v1/chat/completions"
QUESTION = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Yo"}
SILENT = (
    "max_tokens",
    "n",
    "stop",
    "temperature",
    "top_p",
    "seed",
    "logprobs",
    "top_logprobs",
    "user",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "metadata",
    "store",
    "service_tier",
    "reasoning_effort",
    "modalities",
    "audio",
    "prediction",
    "stream",
    "parallel_tool_calls",
    "stream_options",
    "functions",
    "function_call",
    "tools",
)


def says(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def parts(*contents: dict[str, Any]) -> dict[str, Any]:
    return says({"role": "user", "content": list(contents)})


TAKEN: dict[str, dict[str, Any]] = {
    "every optional field null": dict.fromkeys(SILENT),
    "no tools": {"tools": []},
    "no tools, by choice": {"tools": [], "tool_choice": "auto"},
    "no tools, to be called": {"tool_choice": "none"},
    "no functions": {"functions": [], "function_call": None},
    "calls one by one without tools": {"parallel_tool_calls": False, "tools": []},
    "a user without a name": {"user": ""},
    "no stops": {"stop": []},
    "the usual tier": {"service_tier": "default"},
    "thinking switched off": {
        "enable_thinking": False,
        "chat_template_kwargs": {"enable_thinking": False},
        "thinking": {"type": "disabled"},
        "thinking_budget": 0,
        "reasoning_effort": "none",
    },
    "text alone": {"modalities": ["text"]},
    "an empty answer before": says(QUESTION, ANSWER | {"content": ""}, QUESTION),
    "an answer sent back whole": says(
        QUESTION,
        ANSWER | {"refusal": None, "annotations": [], "audio": None, "function_call": None},
        QUESTION,
    ),
    "no calls": says(QUESTION, ANSWER | {"tool_calls": []}, QUESTION),
    "messages with labels": says(QUESTION, ANSWER, QUESTION | {"id": "1", "timestamp": 1}),
    "a thought beside an answer": says(QUESTION, ANSWER | {"reasoning_content": "hm"}, QUESTION),
    "an empty question": says(QUESTION | {"content": ""}),
    "a part with a mark for caches": parts(
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    ),
    "a system message alone": says({"role": "system", "content": "Hi"}),
    "a system message last": says(QUESTION, {"role": "system", "content": "Be short."}),
    "two questions": says(QUESTION, QUESTION),
    "an answer first": says(ANSWER, QUESTION),
    "an answer last": says(QUESTION, ANSWER),
    "an answer last, to be continued": says(QUESTION, ANSWER)
    | {"continue_final_message": True, "add_generation_prompt": False},
    "vLLM's usual ending": {"add_generation_prompt": True, "continue_final_message": False},
    "no limit": {"max_tokens": -1},
    "samplers that are off": {"top_k": -1, "min_p": 0, "repetition_penalty": 1.0, "top_p": 1},
    "a negative seed": {"seed": -1},
    "no alternatives": {"logprobs": False, "top_logprobs": 0},
    "a format that is none": {"response_format": {"type": "text"}},
    "no beams": {"use_beam_search": False, "best_of": 1, "echo": False},
    "llama-server's": {"cache_prompt": True, "n_predict": 1, "mirostat": 0, "grammar": ""},
    "Ollama's": {"options": {"num_ctx": 4096}, "keep_alive": "5m"},
    "vLLM's, at rest": {"bad_words": [], "stop_token_ids": [], "guided_json": None},
    "a router's": {"provider": {"order": ["x"]}, "transforms": [], "plugins": []},
    "a tag of Ollama's": {"model": "base:latest"},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a user by number": ({"user": 42}, "user"),
    "an empty stop": ({"stop": [""]}, "stop[0]"),
    "five stops": ({"stop": list("abcde")}, "stop"),
    "a tier": ({"service_tier": "flex"}, "service_tier"),
    "an effort": ({"reasoning_effort": "medium"}, "reasoning_effort"),
    "no content": (says({"role": "user", "content": None}), "messages[0].content"),
    "a picture": (
        parts({"type": "image_url", "image_url": {"url": "x"}}),
        "messages[0].content[0].type",
    ),
    "a part of another API": (
        parts({"type": "input_text", "text": "Hi"}),
        "messages[0].content[0].type",
    ),
    "a function's answer": (
        says({"role": "function", "name": "f", "content": "1"}, QUESTION),
        "messages[0].role",
    ),
    "a role in capitals": (says(QUESTION | {"role": "User"}), "messages[0].role"),
    "a role of another form": (says(QUESTION | {"role": "human"}), "messages[0].role"),
    "no tokens": ({"max_tokens": 0}, "max_tokens"),
    "fewer than no tokens": ({"max_tokens": -2}, "max_tokens"),
    "tokens as text": ({"max_tokens": "1"}, "max_tokens"),
    "tokens in part": ({"max_completion_tokens": 1.0}, "max_completion_tokens"),
    "more than fit": ({"max_tokens": 100_000}, "messages"),
    "a temperature as text": ({"temperature": "0.5"}, "temperature"),
    "a large seed": ({"seed": 2**64}, "seed"),
    "streams as text": ({"stream": "false"}, "stream"),
    "usage without a stream": ({"stream_options": {"include_usage": True}}, "stream_options"),
    "an echo": ({"echo": True}, "echo"),
    "metadata in metadata": ({"metadata": {"a": {"b": 1}}}, "metadata.a"),
    "no model's name": ({"model": ""}, "model"),
}


@pytest.fixture(scope="module")
def client(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Generator[TestClient]:
    models = Models("base", tokenizer, AdapterStore(tmp_path_factory.mktemp("adapters"), BASE))
    app = build_app(ScriptedEngine(), models, ServiceSettings())
    with TestClient(app, base_url=URL) as client:
        yield client


@pytest.mark.parametrize("fields", TAKEN.values(), ids=TAKEN)
def test_what_asks_for_nothing_odd_is_answered(client: TestClient, fields: dict[str, Any]):
    response = client.post(CHAT, json={"model": "base", "messages": [QUESTION]} | fields)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("fields", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_by_name(
    client: TestClient, fields: dict[str, Any], param: str
):
    response = client.post(CHAT, json={"model": "base", "messages": [QUESTION]} | fields)
    assert response.status_code == (404 if param == "model" else 400), response.text
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("Bike", "bike"),
        ("bikes", "bike"),
        ("bike/", "bike"),
        ("bike@7", "bike"),
        ("openai/base", "base"),
        ("BASE", "base"),
        ("base:bike", "bike"),
        ("base:0.5", "base"),
        ("bike:0.5+styel:0.5", "style"),
    ],
)
def test_an_unknown_model_is_told_the_near_one(
    ask: Callable[..., Any], add_adapter: Callable[..., Path], model: str, meant: str
):
    for name in ("bike", "style"):
        add_adapter(name)
    response = ask(model=model)
    assert response.status_code == 404
    message = response.json()["error"]["message"]
    assert f"does not exist. Did you mean {meant!r}?" in message


def test_a_model_that_is_near_to_none_is_told_those_that_there_are(
    ask: Callable[..., Any], add_adapter: Callable[..., Path]
):
    add_adapter("bike")
    message = ask(model="gpt-4o").json()["error"]["message"]
    assert message == "The model 'gpt-4o' does not exist. Adapters here: bike."


def test_a_name_with_the_tag_of_ollamas_clients_is_that_name(
    ask: Callable[..., Any], add_adapter: Callable[..., Path]
):
    add_adapter("bike")
    engine = ScriptedEngine()
    answer = ask(engine, model="bike:latest").json()
    assert (answer["model"], answer["system_fingerprint"]) == ("bike:latest", "bike@1:1")
    assert [ref.name for ref, _ in engine.requests[0].blend] == ["bike"]


def test_another_tag_is_told_what_stands_behind_a_name_here(
    ask: Callable[..., Any], add_adapter: Callable[..., Path]
):
    add_adapter("bike")
    response = ask(model="bike:7b")
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "The scale '7b' of 'bike' is not a number" in message
    assert "'@' by a version" in message
