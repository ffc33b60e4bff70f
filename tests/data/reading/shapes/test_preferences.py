"""OpenAI's rows of preferences, read for training on the answer that people prefer."""

import json
from typing import Any

import pytest

from data.conversation import Conversation
from tests.data.reading.lines import faults, read_lines, warnings

TOOL = {"type": "function", "function": {"name": "free_hours", "parameters": {}}}
ROW: dict[str, Any] = {
    "input": {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "失眠怎么办？"},
        ],
        "tools": [TOOL],
        "parallel_tool_calls": True,
    },
    "preferred_output": [{"role": "assistant", "content": "早睡。"}],
    "non_preferred_output": [{"role": "assistant", "content": "不知道。"}],
}


def read(row: dict[str, Any]) -> Conversation:
    [conversation] = [each for each in read_lines(row) if isinstance(each, Conversation)]
    return conversation


def test_the_preferred_answer_is_trained_alone():
    conversation = read(ROW)
    assert [each.content for each in conversation.messages] == [
        *("Hi", "Hello.", "失眠怎么办？", "早睡。")
    ]
    assert [each.is_trained for each in conversation.messages] == [False, False, False, True]
    assert conversation.tools == (TOOL,)


def test_what_is_left_out_is_said_once():
    [told] = warnings(ROW, ROW)
    assert told.startswith("2 of 4 answers are preferred to another one, and are examples")


def test_a_row_needs_no_tools_and_no_other_answer():
    bare = {"input": {"messages": ROW["input"]["messages"]}} | {
        "preferred_output": ROW["preferred_output"]
    }
    assert read(bare).tools == ()
    assert len(read(bare).messages) == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input": "Hi"}, "a.jsonl:1: input: 'Hi'; expected an object with messages"),
        ({"input": {"tools": []}}, "a.jsonl:1: input: "),
        ({"preferred_output": [{"role": "bot?", "content": "x"}]}, "preferred_output[0].role"),
        ({"preferred_output": [{"role": "user", "content": "x"}]}, "turn 4: user after user"),
        ({"preferred_output": 3}, "a.jsonl:1: preferred_output: 3; expected"),
        ({"input": {"messages": [{"role": "user"}]}}, "input.messages[0].content: an empty turn"),
    ],
)
def test_a_fault_says_in_which_part_it_is(changes: dict[str, Any], told: str):
    assert told in "\n".join(faults(ROW | changes))


def test_a_part_may_be_json_in_a_cell():
    cells = {key: json.dumps(value) for key, value in ROW.items()}
    assert len(read(cells).messages) == 4


def test_the_answer_that_people_like_less_stands_beside_it():
    conversation = read(ROW)
    assert [each.content for each in conversation.rejected] == ["不知道。"]
    other = conversation.with_rejected
    assert [each.content for each in other.messages] == ["Hi", "Hello.", "失眠怎么办？", "不知道。"]
    assert [each.is_trained for each in other.messages] == [False, False, False, True]
    assert other.rejected == ()


@pytest.mark.parametrize(
    ("rejected", "told"),
    [
        (3, "non_preferred_output: 3; expected"),
        ([{"role": "user", "content": "x"}], "non_preferred_output: turn 4: user after user"),
        ([{"role": "assistant"}], "non_preferred_output[0].content: an empty turn"),
    ],
)
def test_a_fault_of_the_other_answer_is_one_too(rejected: Any, told: str):
    assert told in "\n".join(faults(ROW | {"non_preferred_output": rejected}))
