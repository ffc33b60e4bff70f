"""Tools, calls of them and their answers, in OpenAI's form and in ShareGPT's."""

import json
from typing import Any

import pytest

from tests.data.reading.lines import faults, read_row, turns

CALL = {"name": "f", "arguments": {"x": "一"}}
FUNCTION = {"name": "f", "arguments": '{"x": "一"}'}
TOOLS = [{"name": "f", "parameters": {}}]


def said(speaker: str, text: Any) -> dict[str, Any]:
    return {"from": speaker, "value": text}


def called(*middle: dict[str, Any]) -> dict[str, Any]:
    return {"conversations": [said("human", "a"), *middle, said("gpt", "b")], "tools": TOOLS}


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("function_call", "observation"),
        ("tool_call", "tool_response"),
        ("function-call", "function-response"),
        ("function_call", "tool"),
    ],
)
@pytest.mark.parametrize("tools", [TOOLS, json.dumps(TOOLS)])
def test_calls_and_answers_of_sharegpt_are_those_of_openai(call: str, answer: str, tools: Any):
    row = called(said(call, json.dumps(CALL)), said(answer, "1"))
    conversation = read_row({**row, "tools": tools})
    _, calls, tool, _ = conversation.messages
    [given] = calls.tool_calls
    assert given == {"id": "call00001", "type": "function", "function": FUNCTION}
    assert (tool.role, tool.content) == ("tool", "1")
    assert (tool.tool_call_id, tool.name) == ("call00001", "f")
    assert conversation.tools == ({"type": "function", "function": TOOLS[0]},)


def test_several_calls_in_a_turn_have_an_answer_each():
    call = said("function_call", json.dumps([CALL, {"name": "g", "arguments": {}}]))
    conversation = read_row(called(call, said("observation", "1"), said("observation", "2")))
    answers = [(each.tool_call_id, each.name) for each in conversation.messages[2:4]]
    assert answers == [("call00001", "f"), ("call00002", "g")]


def test_ids_of_later_calls_are_their_own():
    step = [said("function_call", json.dumps(CALL)), said("observation", "1")]
    row = {"conversations": [said("human", "a"), *step, *step, said("gpt", "b")]}
    ids = [each.tool_call_id for each in read_row(row).messages if each.role == "tool"]
    assert ids == ["call00001", "call00002"]


def test_tools_of_openais_form_are_kept_as_they_are():
    tools = [{"type": "function", "function": {"name": "f"}}]
    call = {"id": "1", "type": "function", "function": FUNCTION}
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "", "tool_call_id": "1"},
        {"role": "assistant", "content": "b"},
    ]
    conversation = read_row({"messages": messages, "tools": tools})
    assert list(conversation.tools) == tools
    assert list(conversation.messages[1].tool_calls) == [call]
    assert (conversation.messages[2].tool_call_id, conversation.messages[2].name) == ("1", "f")


def test_the_older_form_of_a_call_is_read():
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "function_call": FUNCTION},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": "b"},
    ]
    conversation = read_row({"messages": messages})
    assert conversation.messages[1].tool_calls[0]["function"] == FUNCTION
    assert (conversation.messages[2].role, conversation.messages[2].name) == ("tool", "f")


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"name": 3}', '["f"]', "3"])
def test_a_call_that_is_none_is_a_fault(text: str):
    [fault, *_] = faults(called(said("function_call", text), said("observation", "1")))
    assert "conversations[1].value: " in fault
    assert 'expected a call such as {"name": "f"' in fault


@pytest.mark.parametrize("tools", ["none", [3], {"name": "f"}, '{"name": "f"}'])
def test_tools_that_are_no_list_of_objects_are_a_fault(tools: Any):
    row = called(said("function_call", json.dumps(CALL)), said("observation", "1"))
    assert "tools: " in faults({**row, "tools": tools})[0]


def test_functions_are_tools():
    row = {"conversations": [said("human", "a"), said("gpt", "b")], "functions": TOOLS}
    assert read_row(row).tools == ({"type": "function", "function": TOOLS[0]},)


def test_no_tools_are_no_fault():
    row = {"conversations": [said("human", "a"), said("gpt", "b")], "tools": ""}
    assert turns(row) == [("user", "a"), ("assistant", "b")]
