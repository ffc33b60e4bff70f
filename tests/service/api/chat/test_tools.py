"""Tools from a request's fields to the prompt, and from the answer to `tool_calls`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.errors import SchemaRefused
from serving.scripted import ScriptedEngine

Ask = Callable[..., Any]
MESSAGES = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}"
    '<tool_call>{"name": "{{ call.function.name }}", '
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}'
    "{% if m.role == 'tool' %}({{ m.name }}){% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOOLS_FIRST = "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
HERMES = TOOLS_FIRST + MESSAGES
UNKNOWN = TOOLS_FIRST + MESSAGES.replace("tool_call>", "ruf>")
DOSE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "查剂量",
        "description": "How much of a herb.",
        "parameters": {"type": "object", "properties": {"herb": {"type": "string"}}},
    },
}
NOW: dict[str, Any] = {"type": "function", "function": {"name": "now"}}
CALL = '<tool_call>{"name": "查剂量", "arguments": {"herb": "百合"}}</tool_call>'
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "多少百合？"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "查剂量", "arguments": '{"herb": "百合"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": '{"grams": 10}'},
]


@pytest.fixture
def ask_tcm(ask: Ask, add_adapter: Callable[..., Path]) -> Ask:
    """Ask an adapter whose template writes tools as Hermes' does."""
    add_adapter("中医", template=HERMES)
    add_adapter("other", template=UNKNOWN)

    def send(engine: ScriptedEngine | None = None, **fields: Any) -> Any:
        return ask(engine, **({"model": "中医", "tools": [DOSE, NOW]} | fields))

    return send


def deltas_of(response: Any) -> list[tuple[dict[str, Any], str | None]]:
    assert response.status_code == 200, response.text
    payloads = [block.removeprefix("data: ") for block in response.text.split("\n\n")]
    choices = [json.loads(each)["choices"][0] for each in payloads if each.startswith("{")]
    return [(choice["delta"], choice["finish_reason"]) for choice in choices]


def error_of(response: Any) -> tuple[str, str | None]:
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    return error["param"], error["code"]


def test_tools_and_history_are_rendered_by_the_template(ask_tcm: Ask, prompt_of: Any):
    engine = ScriptedEngine()
    strict = {**NOW, "function": {**NOW["function"], "strict": True}}
    assert ask_tcm(engine, messages=HISTORY, tools=[DOSE, strict]).status_code == 200
    assert prompt_of(engine.requests[0]) == (
        f"{json.dumps(DOSE, ensure_ascii=False)}\n{json.dumps(NOW)}\n"
        "<|im_start|>user\n多少百合？<|im_end|>\n"
        f"<|im_start|>assistant\n{CALL}<|im_end|>\n"
        '<|im_start|>tool\n{"grams": 10}(查剂量)<|im_end|>\n'
        "<|im_start|>assistant\n"
    )


def test_tools_that_may_not_be_called_are_not_shown_to_the_model(ask_tcm: Ask, prompt_of: Any):
    engine = ScriptedEngine(default=CALL)
    choice = ask_tcm(engine, tool_choice="none").json()["choices"][0]
    assert "查剂量" not in prompt_of(engine.requests[0])
    assert (choice["message"]["content"], choice["finish_reason"]) == (CALL, "stop")


def test_calls_come_apart_from_the_text(ask_tcm: Ask):
    engine = ScriptedEngine(default=f"Let me see.\n{CALL}")
    choice = ask_tcm(engine, n=2).json()["choices"][1]
    (call,) = choice["message"].pop("tool_calls")
    assert choice["message"] == {"role": "assistant", "content": "Let me see.", "refusal": None}
    assert choice["finish_reason"] == "tool_calls"
    assert call.pop("id").startswith("call_")
    assert call == {
        "type": "function",
        "function": {"name": "查剂量", "arguments": '{"herb": "百合"}'},
    }


def test_calls_alone_have_no_content(ask_tcm: Ask):
    message = ask_tcm(ScriptedEngine(default=CALL)).json()["choices"][0]["message"]
    assert message["content"] is None


def test_answer_without_a_call_has_no_list_of_them(ask_tcm: Ask):
    choice = ask_tcm(ScriptedEngine(default="Ten grams.")).json()["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Ten grams.", "refusal": None}
    assert choice["finish_reason"] == "stop"


def test_broken_call_stays_text(ask_tcm: Ask):
    broken = CALL.replace("}}", "}")
    for fields in ({}, {"stream": True}):
        response = ask_tcm(ScriptedEngine(default=broken), **fields)
        if fields:
            texts = [delta.get("content") or "" for delta, _ in deltas_of(response)]
            assert "".join(texts) == broken
        else:
            assert response.json()["choices"][0]["message"]["content"] == broken


def test_streamed_text_comes_before_the_calls_and_the_reason_after(ask_tcm: Ask):
    twice = f"See. {CALL}\n{CALL}"
    (first, _), *middle, (last, reason) = deltas_of(
        ask_tcm(ScriptedEngine(default=twice), stream=True)
    )
    assert first == {"role": "assistant", "content": None}
    texts = [delta["content"] for delta, _ in middle if "content" in delta]
    calls = [delta["tool_calls"][0] for delta, _ in middle if "tool_calls" in delta]
    assert "".join(texts) == "See."
    assert [delta for delta, _ in middle][: len(texts)] == [{"content": text} for text in texts]
    assert [call["index"] for call in calls] == [0, 1]
    assert len({call["id"] for call in calls}) == 2
    assert [call["function"]["arguments"] for call in calls] == ['{"herb": "百合"}'] * 2
    assert (last, reason) == ({}, "tool_calls")


def test_answer_that_is_cut_says_so(ask_tcm: Ask):
    engine = ScriptedEngine(default=f"{CALL}{CALL}")
    choice = ask_tcm(engine, max_tokens=20).json()["choices"][0]
    assert choice["finish_reason"] == "length"


def test_one_call_alone_where_several_are_not_wanted(ask_tcm: Ask):
    engine = ScriptedEngine(default=f"{CALL}{CALL}")
    choice = ask_tcm(engine, parallel_tool_calls=False).json()["choices"][0]
    assert len(choice["message"]["tool_calls"]) == 1


@pytest.mark.parametrize("model", ["中医", "other"])
@pytest.mark.parametrize("stream", [False, True])
def test_required_call_is_enforced_with_any_template_that_writes_tools(
    ask_tcm: Ask, model: str, stream: bool
):
    engine = ScriptedEngine(default='[{"name": "now", "arguments": {}}]')
    response = ask_tcm(engine, model=model, tool_choice="required", stream=stream)
    if stream:
        _, (delta, _), (_, reason) = deltas_of(response)
    else:
        choice = response.json()["choices"][0]
        delta, reason = choice["message"], choice["finish_reason"]
    assert delta["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}
    assert reason == "tool_calls"
    schema = json.loads(engine.requests[0].sampling.json_schema or "")
    assert schema["type"] == "array"


def test_named_function_is_enforced(ask_tcm: Ask):
    engine = ScriptedEngine(default='{"herb": "姜"}')
    named = {"type": "function", "function": {"name": "查剂量"}}
    answer = ask_tcm(engine, tool_choice=named).json()
    function = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert function == {"name": "查剂量", "arguments": '{"herb": "姜"}'}
    assert (
        json.loads(engine.requests[0].sampling.json_schema or "")
        == (DOSE["function"]["parameters"])
    )


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": NOW}])
def test_tools_are_refused_by_name_where_the_template_writes_none(ask: Ask, choice: Any):
    if isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": "now"}}
    response = ask(tools=[NOW], tool_choice=choice)
    assert error_of(response) == ("tools", "unsupported_parameter")
    assert "leaves out the tools now" in response.json()["error"]["message"]


def test_free_calls_of_an_unknown_form_are_refused_with_the_way_out(ask_tcm: Ask):
    response = ask_tcm(model="other")
    assert error_of(response) == ("tools", "unsupported_parameter")
    assert "tool_choice" in response.json()["error"]["message"]


def test_schema_of_parameters_that_cannot_be_enforced_is_the_tools_fault(ask_tcm: Ask):
    engine = ScriptedEngine(failure=SchemaRefused("It has no end."))
    assert error_of(ask_tcm(engine, tool_choice="required")) == ("tools", None)


def test_history_that_the_template_leaves_out_is_refused(ask: Ask):
    response = ask(messages=HISTORY)
    assert error_of(response) == ("messages", None)
    assert "leaves out the tool calls" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [NOW, NOW]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": {"name": "x"}}, "tools"),
        ({"tools": None, "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_wrong_tools_are_refused_by_their_path(ask_tcm: Ask, fields: dict[str, Any], param: str):
    assert error_of(ask_tcm(**fields))[0] == param


def test_format_of_an_answer_may_be_asked_for_where_no_call_is_free(ask_tcm: Ask):
    engine = ScriptedEngine(default="{}")
    asked = {"response_format": {"type": "json_object"}, "tool_choice": "none"}
    assert ask_tcm(engine, **asked).json()["choices"][0]["message"]["content"] == "{}"
    assert engine.requests[0].sampling.json_schema == '{"type": "object"}'


def changed(index: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**message, **fields} if at == index else message for at, message in enumerate(HISTORY)]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (changed(0, role="function"), "messages[0].role"),
        (changed(0, content=None), "messages[0].content"),
        (changed(0, tool_calls=HISTORY[1]["tool_calls"]), "messages[0].tool_calls"),
        (changed(1, tool_calls=None), "messages[1].content"),
        (changed(1, tool_calls=[]), "messages[1].content"),
        (changed(1, function_call={"name": "x"}), "messages[1].function_call"),
        (changed(1, audio={"id": "x"}), "messages[1].audio"),
        (changed(2, tool_call_id=None), "messages[2].tool_call_id"),
        (changed(2, tool_call_id="call_2"), "messages"),
        (changed(2, content=None), "messages[2].content"),
        (changed(2, role="assistant"), "messages"),
    ],
)
def test_wrong_messages_are_refused_by_their_path(ask_tcm: Ask, messages: list[Any], param: str):
    assert error_of(ask_tcm(messages=messages))[0] == param


@pytest.mark.parametrize("arguments", ["[1]", "{", "herb", "[" * 100_000])
def test_arguments_in_the_history_must_be_an_object(ask_tcm: Ask, arguments: str):
    call = {"id": "call_1", "function": {"name": "查剂量", "arguments": arguments}}
    response = ask_tcm(messages=changed(1, tool_calls=[call]))
    assert error_of(response)[0] == "messages[1].tool_calls[0].function.arguments"


def test_call_without_arguments_may_have_an_empty_text(ask_tcm: Ask, prompt_of: Any):
    call = {"id": "call_1", "function": {"name": "now", "arguments": ""}}
    engine = ScriptedEngine()
    assert ask_tcm(engine, messages=changed(1, tool_calls=[call])).status_code == 200
    assert '<tool_call>{"name": "now", "arguments": {}}' in prompt_of(engine.requests[0])
