"""Turns that are strings."""

import json
from typing import Any

import pytest

from tests.data.reading.lines import all_turns, faults, turns, warnings

TURNS = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
LABELLED = ["问：a\n", "答：b", "问：c", "答：d"]


@pytest.mark.parametrize("key", ["data", "dialogue", "conversation", "messages", "utterances"])
def test_strings_are_turns_under_any_name_of_a_dialogue(key: str):
    assert turns({key: LABELLED}) == TURNS
    assert_taken_by_turns({key: ["a", "b", "c", "d"]})


def test_more_than_two_strings_without_role_words_are_said_to_be_taken_by_turns():
    assert_taken_by_turns(["a", "b", "c", "d"])
    assert warnings(["a", "b"]) == []


def assert_taken_by_turns(row: Any) -> None:
    assert all_turns(row) == [TURNS]
    [warning] = warnings(row)
    assert "strings without role words, such as 'a', taken for questions and answers" in warning


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ({"dialogue": "患者：a\n医生：b\n护士：c\n患者：d\n医生：e"}, "1 of 2 answers hold a line"),
        (
            {"question": "患者：a\n家属：b\n医生：c\n患者：d", "answer": "e"},
            "1 of 2 questions hold",
        ),
        ({"dialogue": "问：a\n答：b\n用法：c\n问：d\n答：e"}, None),
    ],
)
def test_who_else_speaks_within_a_cell_is_said(row: dict[str, str], seen: str | None):
    said = [each for each in warnings(row) if "which was kept" in each]
    assert [seen in each for each in said if seen] == [True] * (seen is not None)


@pytest.mark.parametrize(
    "row",
    [
        LABELLED,
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
