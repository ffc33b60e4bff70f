"""Turns that are strings."""

import json
from typing import Any

import pytest

from tests.data.reading.lines import faults, turns

TURNS = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
LABELLED = ["问：a\n", "答：b", "问：c", "答：d"]


@pytest.mark.parametrize("key", ["data", "dialogue", "conversation", "messages", "utterances"])
@pytest.mark.parametrize("strings", [LABELLED, ["a", "b", "c", "d"]])
def test_strings_are_turns_under_any_name_of_a_dialogue(key: str, strings: list[str]):
    assert turns({key: strings}) == TURNS


@pytest.mark.parametrize(
    "row",
    [
        LABELLED,
        ["a", "b", "c", "d"],
        ["患者：a", "医生：b", "患者：c", "李医生：d"],
        {"json_dialogue": json.dumps(LABELLED)},
        {"turns": LABELLED},
        {"description": None, "utterances": LABELLED},
        "问：a\n答：b\n问：c\n答：d",
        {"dialogue": "问：a\n答：b\n问：c\n答：d"},
        {"dialogue": r"问：a\n答：b\n问：c\n答：d"},
        {"text": "问：\na\n答：\nb\n问：\nc\n答：\nd"},
    ],
)
def test_strings_are_read_wherever_they_stand(row: Any):
    assert turns(row) == TURNS


def test_a_role_word_decides_and_not_the_place():
    row = ["系统：s", "问：a", "答：b"]
    assert turns(row) == [("system", "s"), ("user", "a"), ("assistant", "b")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["问：a", "b"], "row[1]: 'b' without a role word"),
        ({"data": ["a", "答：b"]}, "data[0]: 'a' without a role word"),
        ({"turns": ["first question", "second question"]}, "turns[0]: 'first question' without"),
        (["a", "b", "c"], "last turn: user"),
        (["答：b", "问：a"], "turn 1: assistant after nothing"),
        (["问：a", "答："], "row[1]: an empty turn"),
        ([" ", "b"], "row[0]: an empty turn"),
        (["human", "a"], "row: ['human', 'a'], a speaker and what is said"),
        ({"messages": [["user", "a"], ["assistant", "b"]]}, "messages[0]: ['user', 'a']"),
        ("just a text", "row: 'just a text'; expected turns"),
        ({"conversations": [["a", "b"], ["c", "d"]]}, "conversations[0]: ['a', 'b']"),
    ],
)
def test_strings_that_may_be_read_in_two_ways_are_a_fault(row: Any, expected: str):
    assert any(expected in fault for fault in faults(row)), faults(row)


@pytest.mark.parametrize("row", [[["a", "b"], ["c", "d"]], ["a", 3], [], 3, None])
def test_a_row_that_is_no_turns_is_a_fault(row: Any):
    [fault] = faults(LABELLED, row)
    assert fault.startswith("a.jsonl:2: row: ")
