from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from serving.engine import Engine
from serving.errors import BiasRefused, EngineBusy, EngineFailed, SchemaRefused
from serving.scripted import ScriptedEngine

Ask = Callable[..., Any]


@pytest.fixture
def client(open_client: Callable[[Engine], TestClient]) -> TestClient:
    return open_client(ScriptedEngine())


def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_unknown_model_is_404_and_never_the_bases_answer(ask: Ask):
    error = error_of(ask(model="nobody"), 404)
    assert error["type"] == "invalid_request_error"
    assert (error["param"], error["code"]) == ("model", "model_not_found")


def test_unreadable_blend_is_400(ask: Ask):
    error = error_of(ask(model="a:1+"), 400)
    assert error["param"] == "model"


def test_damaged_adapter_is_refused(ask: Ask, add_adapter: Callable[..., Path]):
    (add_adapter("tcm") / "adapter_config.json").write_text("{")
    error = error_of(ask(model="tcm"), 400)
    assert (error["param"], error["code"]) == ("model", "adapter_refused")


def test_prompt_without_room_for_an_answer_is_400(ask: Ask):
    error = error_of(ask(ScriptedEngine(context_length=10)), 400)
    assert (error["param"], error["code"]) == ("messages", "context_length_exceeded")


def test_conversation_that_the_template_refuses_is_400(ask: Ask, add_adapter: Callable[..., Path]):
    add_adapter("tcm", template="{{ raise_exception('Only once!') }}")
    error = error_of(ask(model="tcm"), 400)
    assert error["param"] == "messages"
    assert "Only once!" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "param"),
    [(SchemaRefused("It has no end."), "response_format"), (BiasRefused(9, 5), "logit_bias")],
)
def test_what_the_engine_refuses_is_400_and_names_the_field(
    ask: Ask, failure: Exception, param: str, stream: bool
):
    error = error_of(ask(ScriptedEngine(failure=failure), stream=stream), 400)
    assert (error["param"], error["message"]) == (param, str(failure))


@pytest.mark.parametrize("stream", [False, True])
def test_busy_engine_is_429_with_retry_after(ask: Ask, stream: bool):
    response = ask(ScriptedEngine(failure=EngineBusy("The queue is full.")), stream=stream)
    assert error_of(response, 429)["type"] == "rate_limit_error"
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_failed_engine_is_500_with_its_message(ask: Ask, stream: bool):
    response = ask(ScriptedEngine(failure=EngineFailed("A step failed.")), stream=stream)
    error = error_of(response, 500)
    assert (error["type"], error["message"]) == ("server_error", "A step failed.")


@pytest.mark.parametrize("stream", [False, True])
def test_unexpected_error_is_500_and_tells_the_client_nothing(ask: Ask, stream: bool):
    response = ask(ScriptedEngine(failure=RuntimeError("secret")), stream=stream)
    assert "secret" not in error_of(response, 500)["message"]


def test_unexpected_errors_traceback_is_logged_by_the_server(
    serve: Callable[[Engine], str],
    wait_until: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
):
    url = serve(ScriptedEngine(failure=RuntimeError("secret")))
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]}
    error_of(httpx.post(f"{url}/v1/chat/completions", json=body), 500)
    wait_until(lambda: "RuntimeError: secret" in caplog.text)


def test_unknown_route_is_404(client: TestClient):
    error = error_of(client.get("/v1/nothing"), 404)
    assert "GET /v1/nothing" in error["message"]


def test_wrong_method_is_405_and_names_the_right_one(client: TestClient):
    response = client.get("/v1/completions")
    error_of(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"model": ', "not valid JSON"),
        (b"\xff\xfe{", "body"),
        (b"[" * 100_000, "body"),
        (b"[]", "JSON object"),
        (b"", "JSON object"),
    ],
)
def test_body_that_is_no_json_object_is_400(client: TestClient, body: bytes, word: str):
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/chat/completions", content=body, headers=headers)
    assert word in error_of(response, 400)["message"]


def test_body_of_another_content_type_is_told_which_one_to_send(client: TestClient):
    response = client.post("/v1/chat/completions", data={"model": "base"})
    assert "Content-Type: application/json" in error_of(response, 400)["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            '{"model": "base", "messages": [{"role": "user", "content": "Hi"}], "top_p": NaN}',
            None,
        ),
        (
            '{"model": "base", "messages": [{"role": "user", "content": "\\ud800"}]}',
            "messages[0].content[0].text",
        ),
        ('{"model": "\\udfff", "messages": [{"role": "user", "content": "Hi"}]}', "model"),
    ],
)
def test_json_that_no_engine_can_read_is_400(client: TestClient, body: str, param: str | None):
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/chat/completions", content=body, headers=headers)
    assert error_of(response, 400)["param"] == param


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"stop": [""]}, "stop[0]: should not be empty"),
        ({"stop": list("abcde")}, "stop: should have 4 items at most"),
        ({"messages": [1]}, "messages[0]: should be a JSON object, not 1"),
        ({"stream_options": {}}, "stream_options: Leave it out unless stream is true"),
        (
            {"guided_json": {}},
            "guided_json: This field is not supported here; a chat's response_format",
        ),
    ],
)
def test_faults_are_told_in_words_of_json(client: TestClient, fields: dict[str, Any], told: str):
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]} | fields
    error = error_of(client.post("/v1/chat/completions", json=body), 400)
    assert error["message"].startswith(told)


def test_a_name_of_a_stranger_is_cut(client: TestClient):
    body = {"model": "x" * 100_000, "messages": [{"role": "user", "content": "Hi"}]}
    assert len(client.post("/v1/chat/completions", json=body).content) < 1000


def test_minus_one_turns_top_k_off_as_at_vllm(open_client: Callable[..., TestClient]):
    engine = ScriptedEngine()
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}], "top_k": -1}
    assert open_client(engine).post("/v1/chat/completions", json=body).status_code == 200
    assert engine.requests[0].sampling.top_k == 0


QUESTION = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/chat/completions", QUESTION | {"lora": [{"name": "nobody"}]}, 404, "lora"),
        ("/v1/chat/completions", QUESTION | {"lora": [{"name": "tcm"}] * 2}, 400, "lora"),
        ("/v1/chat/completions", QUESTION | {"lora": [{"name": "damaged"}]}, 400, "lora"),
        ("/v1/completions", {"prompt": "Hi", "lora": [{"name": "nobody"}]}, 404, "lora"),
        ("/v1/completions", {"prompt": "Hi", "model": "refusing"}, 400, "model"),
        ("/tokenize", {"prompt": "Hi", "model": "nobody"}, 404, "model"),
        (
            "/v1/load_lora_adapter",
            {"lora_name": "damaged", "lora_path": "damaged"},
            400,
            "lora_path",
        ),
        ("/v1/unload_lora_adapter", {"lora_name": "nobody"}, 404, "lora_name"),
        ("/v1/adapters/tcm/promote", {"version": "9"}, 404, "version"),
    ],
)
def test_the_field_that_names_a_model_is_the_one_that_is_told(
    client: TestClient,
    add_adapter: Callable[..., Path],
    path: str,
    body: dict[str, Any],
    status: int,
    param: str,
):
    add_adapter("tcm")
    add_adapter("refusing", template="{{ raise_exception('Never!') }}")
    (add_adapter("damaged") / "adapter_config.json").write_text("{")
    has_model = path.endswith(("completions", "tokenize"))
    asked = {"model": "base"} | body if has_model else body
    assert error_of(client.post(path, json=asked), status)["param"] == param
