"""What the engine is asked for each chat request."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from data.chat import ChatRenderer, Tokenizer
from data.conversation import Message
from finetune.adapters.card import SamplingDefaults
from serving.engine import Sampling
from serving.scripted import ScriptedEngine

QUESTION = {"role": "user", "content": "Hi"}
Ask = Callable[..., Any]


@pytest.fixture
def prompt(tokenizer: Tokenizer) -> Callable[..., tuple[int, ...]]:
    """The ids of a prompt, given as (role, text) pairs."""
    renderer = ChatRenderer(tokenizer)
    return lambda *turns: renderer.prompt_ids([Message(*turn) for turn in turns])


def asked(ask: Ask, **fields: Any) -> Any:
    """The engine request that a chat request becomes."""
    engine = ScriptedEngine()
    response = ask(engine, **fields)
    assert response.status_code == 200, response.text
    return engine.requests[0]


def test_messages_are_rendered_by_the_template(ask: Ask, prompt: Any):
    request = asked(
        ask,
        messages=[
            {"role": "developer", "content": "Be kind."},
            QUESTION,
            {"role": "assistant", "content": "Hello.", "refusal": None, "tool_calls": []},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
        ],
    )
    assert request.prompt_ids == prompt(
        ("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello."), ("user", "a\nb")
    )
    assert request.blend == ()


def test_answer_ends_with_the_templates_end_token(ask: Ask, tokenizer: Tokenizer):
    assert asked(ask).end_ids == (tokenizer.eos_token_id,)


def test_sampling_fields_reach_the_engine(ask: Ask):
    fields: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": -1,
        "frequency_penalty": 2,
        "seed": 11,
        "ignore_eos": True,
    }
    request = asked(ask, max_tokens=5, stop="END", **fields)
    assert request.sampling == Sampling(max_tokens=5, stop=("END",), **fields)


def test_biases_reach_the_engine_as_token_ids(ask: Ask):
    request = asked(ask, logit_bias={"5": -100, "12": 0.5})
    assert request.sampling.logit_bias == ((5, -100.0), (12, 0.5))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"logprobs": False}, None),
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": None}, 0),
        ({"logprobs": True, "top_logprobs": 20}, 20),
    ],
)
def test_alternatives_are_asked_for_with_log_probabilities(
    ask: Ask, fields: dict[str, Any], expected: int | None
):
    assert asked(ask, **fields).sampling.top_logprobs == expected


def test_response_format_reaches_the_engine_as_a_schema(ask: Ask):
    schema = {"type": "object", "properties": {"症状": {"type": "string"}, "a": True}}
    named = {"name": "answer", "schema": schema, "strict": True, "description": "d"}
    request = asked(ask, response_format={"type": "json_schema", "json_schema": named})
    assert json.loads(request.sampling.json_schema) == schema
    assert list(json.loads(request.sampling.json_schema)["properties"]) == ["症状", "a"]
    request = asked(ask, response_format={"type": "json_object"})
    assert json.loads(request.sampling.json_schema) == {"type": "object"}
    assert asked(ask, response_format={"type": "text"}).sampling.json_schema is None


def test_several_answers_are_requests_with_ids_and_seeds_of_their_own(ask: Ask):
    engine = ScriptedEngine()
    answer = ask(engine, n=3, seed=7, temperature=0.5).json()
    assert [request.id for request in engine.requests] == [f"{answer['id']}-{i}" for i in range(3)]
    assert [request.sampling.seed for request in engine.requests] == [7, 8, 9]
    assert {request.sampling.temperature for request in engine.requests} == {0.5}


def test_several_answers_without_a_seed_have_none(ask: Ask):
    engine = ScriptedEngine()
    ask(engine, n=2)
    assert [request.sampling.seed for request in engine.requests] == [None, None]


def test_null_fields_and_unknown_extras_are_as_good_as_absent(ask: Ask):
    nothing = dict.fromkeys(("temperature", "stop", "seed", "n", "tools", "logit_bias", "lora"))
    request = asked(ask, **nothing, made_up=[1])
    assert request.sampling == Sampling(max_tokens=512)


def test_features_that_are_named_but_not_used_are_accepted(ask: Ask):
    fields: dict[str, Any] = {
        "n": 1,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "functions": [],
        "function_call": "none",
        "response_format": {"type": "text"},
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "modalities": ["text"],
        "audio": None,
        "user": "me",
        "metadata": {"病房": "三"},
        "store": False,
        "service_tier": "auto",
        "reasoning_effort": "none",
        "verbosity": "medium",
        "prediction": None,
        "web_search_options": None,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "stream_options": None,
    }
    assert asked(ask, **fields) == replace(asked(ask), id=ANY)


def test_max_completion_tokens_is_max_tokens_by_its_newer_name(ask: Ask):
    assert asked(ask, max_completion_tokens=7).sampling.max_tokens == 7
    assert asked(ask, max_tokens=7, max_completion_tokens=7).sampling.max_tokens == 7


def test_minus_one_is_all_that_the_context_leaves(
    ask: Ask, prompt: Any, add_adapter: Callable[..., Path]
):
    add_adapter("tcm", sampling=SamplingDefaults(max_tokens=9))
    engine = ScriptedEngine(context_length=1000)
    for field in ("max_tokens", "max_completion_tokens"):
        assert ask(engine, model="tcm", **{field: -1}).status_code == 200
    room = 1000 - len(prompt(("user", "Hi")))
    assert [request.sampling.max_tokens for request in engine.requests] == [room, room]


def test_default_length_is_what_the_context_leaves(ask: Ask, prompt: Any):
    engine = ScriptedEngine(context_length=100)
    assert ask(engine).status_code == 200
    assert engine.requests[0].sampling.max_tokens == 100 - len(prompt(("user", "Hi")))


def test_adapters_system_prompt_and_sampling_apply_where_the_request_is_silent(
    ask: Ask, prompt: Any, add_adapter: Callable[..., Path]
):
    defaults = SamplingDefaults(temperature=0.2, top_k=3, max_tokens=9)
    add_adapter("tcm", system="You know herbs.", sampling=defaults)
    request = asked(ask, model="tcm", temperature=0.5)
    assert request.prompt_ids == prompt(("system", "You know herbs."), ("user", "Hi"))
    assert request.sampling == Sampling(max_tokens=9, temperature=0.5, top_k=3)
    assert [(str(ref), scale) for ref, scale in request.blend] == [("tcm@1", 1.0)]


@pytest.mark.parametrize(
    ("field", "own"),
    [
        ("temperature", 0),
        ("top_p", 1.0),
        ("top_k", 0),
        ("min_p", 0.0),
        ("repetition_penalty", 1.0),
        ("max_tokens", 3),
    ],
)
def test_each_sampling_field_of_the_request_goes_before_the_adapters_and_no_other_does(
    ask: Ask, add_adapter: Callable[..., Path], field: str, own: Any
):
    defaults: dict[str, Any] = {
        "temperature": 0.2,
        "top_p": 0.3,
        "top_k": 4,
        "min_p": 0.5,
        "repetition_penalty": 1.6,
        "max_tokens": 7,
    }
    add_adapter("中医", sampling=SamplingDefaults(**defaults))
    sampling = asked(ask, model="中医", **{field: own}).sampling
    assert sampling == Sampling(**(defaults | {field: own}))


def test_requests_own_system_prompt_replaces_the_adapters(
    ask: Ask, prompt: Any, add_adapter: Callable[..., Path]
):
    add_adapter("tcm", system="You know herbs.")
    request = asked(ask, model="tcm", messages=[{"role": "system", "content": ""}, QUESTION])
    assert request.prompt_ids == prompt(("system", ""), ("user", "Hi"))


def test_lora_field_blends_on_the_base(ask: Ask, add_adapter: Callable[..., Path]):
    add_adapter("tcm")
    add_adapter("style")
    loras = [{"name": "tcm", "scale": 0.7}, {"id": "style@1", "scale": -1e-05}]
    blend = asked(ask, lora=loras).blend
    assert [(str(ref), scale) for ref, scale in blend] == [("tcm@1", 0.7), ("style@1", -1e-05)]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"presence_penalty": -3}, "presence_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": -1}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "nurse", "content": "x"}]}, "messages[0].role"),
        ({"max_tokens": 5, "max_completion_tokens": 7}, "max_completion_tokens"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata"),
        ({"user": 5}, "user"),
        ({"lora": [{"id": 0, "scale": 1.0}]}, "lora[0].id"),
        ({"lora": [{"name": "a+b"}]}, "lora[0].name"),
        ({"lora": [{"name": "a", "scale": 101}]}, "lora[0].scale"),
        ({"lora": [{"name": "a"}], "model": "tcm"}, "lora"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"logprobs": 1}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": False, "top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"logit_bias": {"ginger": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ({"logit_bias": [5]}, "logit_bias"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_wrong_value_is_refused_by_its_path(ask: Ask, fields: dict[str, Any], param: str):
    response = ask(**fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert param in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "herb"}}]},
        {"functions": [{"name": "f"}]},
        {"function_call": {"name": "f"}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy"}},
        {"store": True},
        {"service_tier": "flex"},
        {"reasoning_effort": "high"},
        {"verbosity": "low"},
        {"prediction": {"type": "content", "content": "x"}},
        {"web_search_options": {}},
        {"moderation": {"model": "x"}},
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(ask: Ask, fields: dict[str, Any]):
    response = ask(**fields)
    assert response.status_code == 400
    error = response.json()["error"]
    (name,) = fields
    assert (error["param"], error["code"]) == (name, "unsupported_parameter")
    assert name in error["message"]


@pytest.mark.parametrize("field", ["functions", "function_call"])
def test_the_fields_before_tools_are_told_what_took_their_place(ask: Ask, field: str):
    assert "use tools" in ask(**{field: [{"name": "f"}]}).json()["error"]["message"]


def test_image_part_is_refused_without_a_word_on_its_missing_text(ask: Ask):
    part = {"type": "image_url", "image_url": {"url": "x"}}
    error = ask(messages=[{"role": "user", "content": [part]}]).json()["error"]
    assert error["param"] == "messages[0].content[0].type"
    assert "image_url" in error["message"]
    assert "text:" not in error["message"]


def test_all_faults_are_reported_together(ask: Ask):
    error = ask(temperature=9, top_p=9).json()["error"]
    assert error["param"] == "temperature"
    assert "top_p: " in error["message"]


def test_adapter_number_is_told_that_adapters_have_names(ask: Ask):
    assert "adapters have names" in ask(lora=[{"id": 0}]).json()["error"]["message"]
