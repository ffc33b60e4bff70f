"""Adapters and constraints in other servers' fields: never answered as if they were not there."""

import json
from collections.abc import Callable, Generator
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

SCHEMA = {"type": "object", "properties": {"zed": {"type": "string"}}, "required": ["zed"]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "base", "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"model": "base", "prompt": "Hi"},
    "/tokenize": {"model": "base", "prompt": "Hi"},
}
ANSWERING = ("/v1/chat/completions", "/v1/completions")
ADAPTERS: list[tuple[dict[str, Any], str]] = [
    ({"adapter_id": "bike"}, "adapter_id"),
    ({"adapter_id": "predibase/nobody"}, "adapter_id"),
    ({"adapter_id": 0}, "adapter_id"),
    ({"adapter_source": "hub"}, "adapter_source"),
    ({"adapter_parameters": {"adapter_ids": ["a", "b"], "weights": [1]}}, "adapter_parameters"),
    ({"adapter_name": "bike"}, "adapter_name"),
    ({"adapter": "bike"}, "adapter"),
    ({"adapters": ["bike"]}, "adapters"),
    ({"lora_path": "bike"}, "lora_path"),
    ({"lora_path": [None, "bike"]}, "lora_path"),
    ({"lora_name": "bike"}, "lora_name"),
    ({"lora_id": 0}, "lora_id"),
    ({"lora_adapter": "bike"}, "lora_adapter"),
    ({"lora_request": {"lora_name": "bike", "lora_int_id": 1}}, "lora_request"),
    ({"loraAdapters": {"bike": 0.5}}, "loraAdapters"),
    ({"use-LoRA": True}, "use-LoRA"),
    ({"parameters": {"adapter_id": "bike", "details": True}}, "parameters.adapter_id"),
    ({"extra_body": {"adapter_id": "bike"}}, "extra_body.adapter_id"),
    ({"extra_body": {"lora": [{"id": 0, "scale": 1.0}]}}, "extra_body.lora"),
    ({"extra_body": {"extra_body": {"lora_path": "bike"}}}, "extra_body.extra_body.lora_path"),
]
CONSTRAINTS: list[tuple[dict[str, Any], str]] = [
    ({"grammar": 'root ::= "Z"'}, "grammar"),
    ({"grammar": {"type": "regex", "value": "Z"}}, "grammar"),
    ({"grammar_string": "root ::= [0-9]"}, "grammar_string"),
    ({"grammar_triggers": [{"type": 0, "value": "{"}]}, "grammar_triggers"),
    ({"json_schema": SCHEMA}, "json_schema"),
    ({"json_schema": {}}, "json_schema"),
    ({"json_schema": json.dumps(SCHEMA)}, "json_schema"),
    ({"regex": "[0-9]+"}, "regex"),
    ({"ebnf": 'root ::= "Z"'}, "ebnf"),
    ({"stop_regex": "[.!]"}, "stop_regex"),
    ({"structural_tag": "{}"}, "structural_tag"),
    ({"structured_outputs": {"json": {}}}, "structured_outputs"),
    ({"structured_outputs": {"choice": ["yes", "no"], "regex": None}}, "structured_outputs"),
    ({"guided_json": {}}, "guided_json"),
    ({"guided_regex": "Z"}, "guided_regex"),
    ({"guided_choice": ["yes", "no"]}, "guided_choice"),
    ({"guided_grammar": 'root ::= "Z"'}, "guided_grammar"),
    ({"format": "json"}, "format"),
    ({"format": SCHEMA}, "format"),
    ({"format": {}}, "format"),
    ({"outputFormat": "markdown"}, "outputFormat"),
    ({"reasoning_format": "deepseek"}, "reasoning_format"),
    ({"answer_constraints": ["short"]}, "answer_constraints"),
    ({"allowed_token_ids": [0]}, "allowed_token_ids"),
    ({"bad_words": ["no"]}, "bad_words"),
    ({"logits_processors": ["mine.Processor"]}, "logits_processors"),
    ({"custom_logit_processor": "{}"}, "custom_logit_processor"),
    ({"parameters": {"grammar": {"type": "json", "value": SCHEMA}}}, "parameters.grammar"),
    ({"sampling_params": {"regex": "Z", "temperature": 0}}, "sampling_params.regex"),
    ({"nvext": {"guided_regex": "Z"}}, "nvext.guided_regex"),
    ({"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "text.format"),
    ({"extra_body": {"guided_choice": ["yes", "no"]}}, "extra_body.guided_choice"),
    ({"extra_body": {"response_format": {"type": "json_object"}}}, "extra_body.response_format"),
]
FORMATS: list[tuple[dict[str, Any], str]] = [
    ({"type": "json_object", "grammar": 'root ::= "Z"'}, "response_format.grammar"),
    ({"type": "json_schema", "schema": SCHEMA, "regex": "Z"}, "response_format.regex"),
    ({"type": "text", "schema": SCHEMA}, "response_format.schema"),
    ({"type": "text", "json_schema": {"name": "x", "schema": {}}}, "response_format.json_schema"),
    (
        {"type": "json_object", "schema": {}, "json_schema": {"name": "x", "schema": {}}},
        "response_format.json_schema",
    ),
    ({"type": "json_object", "schema": "{}"}, "response_format.schema"),
    ({"type": "json", "value": SCHEMA}, "response_format.type"),
    ({"type": "regex", "value": "Z"}, "response_format.type"),
    ({"type": "grammar", "grammar": "Z"}, "response_format.grammar"),
    ({"type": "structural_tag", "structures": [], "triggers": []}, "response_format.type"),
]
NOTHING: list[dict[str, Any]] = [
    {"adapter_id": None, "adapter_source": "", "lora_path": [None], "lora_request": {}},
    {"adapter_parameters": {"adapter_ids": [], "merge_strategy": None}, "use_lora": False},
    {"grammar": "", "grammar_lazy": False, "grammar_triggers": [], "regex": None, "ebnf": ""},
    {"guided_json": None, "guided_regex": "", "guided_choice": [], "json_schema": None},
    {"structured_outputs": {"json": None, "regex": None, "disable_any_whitespace": False}},
    {"format": "", "reasoning_format": "auto", "text": {"format": {"type": "text"}}},
    {"bad_words": [], "allowed_token_ids": None, "logits_processors": []},
    {"extra_body": {}, "parameters": {"grammar": None}, "nvext": None},
]


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture(scope="module")
def client(
    engine: ScriptedEngine, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[TestClient]:
    models = Models("base", tokenizer, AdapterStore(tmp_path_factory.mktemp("adapters"), BASE))
    with TestClient(build_app(engine, models, ServiceSettings()), base_url=URL) as client:
        yield client


@pytest.fixture
def post(client: TestClient, engine: ScriptedEngine) -> Callable[..., Any]:
    """Send fields to an endpoint whose body is otherwise right."""

    def send(path: str, fields: dict[str, Any]) -> Any:
        engine.requests.clear()
        body = json.dumps(BODIES[path] | fields)  # half a surrogate pair too
        return client.post(path, content=body, headers={"Content-Type": "application/json"})

    return send


def error_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 400, response.text
    return response.json()["error"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(("fields", "param"), ADAPTERS)
def test_an_adapter_in_a_foreign_field_is_refused_and_told_its_place(
    post: Callable[..., Any], engine: ScriptedEngine, path: str, fields: Any, param: str
):
    error = error_of(post(path, fields))
    assert (error["param"], error["code"]) == (param, "unsupported_parameter")
    assert error["message"].startswith(f"{param}: ")
    assert "name the adapter in model" in error["message"]
    assert engine.requests == []


@pytest.mark.parametrize("path", ANSWERING)
@pytest.mark.parametrize(("fields", "param"), CONSTRAINTS)
def test_a_constraint_in_a_foreign_field_is_refused_and_told_what_there_is(
    post: Callable[..., Any], engine: ScriptedEngine, path: str, fields: Any, param: str
):
    error = error_of(post(path, fields))
    assert (error["param"], error["code"]) == (param, "unsupported_parameter")
    assert error["message"].startswith(f"{param}: ")
    assert any(word in error["message"] for word in ("response_format", "logit_bias", "stop takes"))
    assert engine.requests == []


@pytest.mark.parametrize(("asked", "param"), FORMATS)
def test_a_response_format_that_cannot_be_kept_is_refused(
    post: Callable[..., Any], engine: ScriptedEngine, asked: Any, param: str
):
    error = error_of(post("/v1/chat/completions", {"response_format": asked}))
    assert error["param"] == param
    assert engine.requests == []


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "json_object", "schema": SCHEMA},
        {"type": "json_schema", "schema": SCHEMA, "name": "x", "strict": True},
        {"type": "json_object", "value": SCHEMA},
        {"type": "json_object", "json_schema": {"name": "x", "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}, "schema": None},
    ],
)
def test_a_schema_in_another_servers_place_is_kept(
    post: Callable[..., Any], engine: ScriptedEngine, asked: Any
):
    assert post("/v1/chat/completions", {"response_format": asked}).status_code == 200
    (request,) = engine.requests
    assert json.loads(request.sampling.json_schema or "") == SCHEMA


@pytest.mark.parametrize("asked", [{"type": "json_object"}, {"type": "json_schema"}])
def test_a_text_completion_is_held_to_no_format_and_says_so(post: Callable[..., Any], asked: Any):
    error = error_of(post("/v1/completions", {"response_format": asked}))
    assert error["param"] == "response_format"
    assert post("/v1/completions", {"response_format": {"type": "text"}}).status_code == 200


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("fields", NOTHING)
def test_a_foreign_field_that_asks_for_nothing_is_let_pass(
    post: Callable[..., Any], path: str, fields: Any
):
    assert post(path, fields).status_code == 200


def test_what_constrains_answers_changes_no_prompt(post: Callable[..., Any]):
    fields = {"guided_json": SCHEMA, "response_format": {"type": "json_object"}}
    assert post("/tokenize", fields).json() == post("/tokenize", {}).json()


@pytest.mark.parametrize(
    "fields",
    [
        {"options": {"num_ctx": 4096}, "keep_alive": "5m", "chat_id": "x", "title": "z"},
        {"provider": {"order": ["x"]}, "transforms": [], "plugins": [{"schema": SCHEMA}]},
        {"chat_template_kwargs": {"enable_thinking": False}, "thinking": {"type": "disabled"}},
        {"cache_prompt": True, "n_predict": 1, "mirostat": 0, "typical_p": 1, "top_a": 0},
        {"skip_special_tokens": False, "use_beam_search": True, "priority": 1},
    ],
)
@pytest.mark.parametrize("path", ANSWERING)
def test_other_unknown_fields_are_ignored(
    post: Callable[..., Any], engine: ScriptedEngine, path: str, fields: Any
):
    assert post(path, {}).status_code == 200
    (usual,) = engine.requests
    assert post(path, fields).status_code == 200
    (request,) = engine.requests
    assert (request.prompt_ids, request.sampling) == (usual.prompt_ids, usual.sampling)


def test_names_are_told_short_and_printable(post: Callable[..., Any]):
    error = error_of(post("/v1/completions", {"lora" + "x" * 100_000: 1}))
    assert len(error["message"]) < 300
    error = error_of(post("/v1/completions", {"lora\ud83d": 1}))
    assert error["param"] == "lora\\ud83d"


def test_foreign_fields_without_number_are_told_in_a_few_lines(post: Callable[..., Any]):
    error = error_of(post("/v1/completions", {f"lora_{index}": 1 for index in range(10_000)}))
    assert len(error["message"]) < 3_000


def test_a_weight_by_an_unknown_name_is_no_scale_of_one(
    post: Callable[..., Any], engine: ScriptedEngine
):
    error = error_of(post("/v1/completions", {"lora": [{"name": "bike", "weight": 0.2}]}))
    assert error["param"] == "lora[0].weight"
    assert engine.requests == []
