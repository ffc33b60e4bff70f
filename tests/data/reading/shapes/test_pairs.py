"""A question and its answer in two fields, and what stands beside them."""

import json
from typing import Any

import pytest

from tests.data.reading.lines import all_turns, faults, turns, warnings

PAIR = [("user", "a"), ("assistant", "b")]


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "a", "output": "b"},
        {"instruction": "a", "input": "", "output": "b", "system": None, "history": []},
        {"instruction": "", "input": "a", "output": "b"},
        {"prompt": "a", "completion": "b"},
        {"question": "a", "answer": "b", "id": 7},
        {"query": "a", "response": "b", "history": ""},
        {"instruct": "a", "output": "b"},
        {"content": "a", "summary": "b"},
        {"ask": "a", "answer": "b", "title": "A", "department": "内科"},
        {"ask": "", "answer": "b", "title": "a", "department": "内科"},
        {"input": "a", "target": "b"},
        {"问题": "a", "答案": "b"},
        {"Question": "a", "Answer": "b"},
        {"q": "a", "a": "b"},
        {"Q": "a", "A": "b"},
        {"user": "a", "assistant": "b"},
        {"human": "a", "gpt": "b"},
        {"Patient": "a", "Doctor": "b"},
        {"Context": "a", "Response": "b"},
    ],
)
def test_every_pair_of_names_gives_the_same_turns(row: dict[str, Any]):
    assert turns(row) == PAIR


@pytest.mark.parametrize(
    "row",
    [
        {"question": "a", "A": "x", "B": "y", "C": "z"},  # options
        {"question": "a", "doctor": "Li"},
        {"user": "Nina", "response": "b"},
        {"context": "a", "answer": "b"},
        {"prompt": "a", "question": "b", "answer": "c"},
        {"question": "a", "answer": "b", "summary": "c"},
    ],
)
def test_names_that_may_mean_something_else_are_no_guess(row: dict[str, Any]):
    [fault] = faults(row)
    assert fault.startswith("a.jsonl:1: row: the keys ")


def test_names_of_people_beside_a_question_and_its_answer_are_left_out_and_said():
    row = {"user": "Nina", "question": "a", "answer": "b", "doctor": "Li"}
    assert all_turns(row) == [PAIR]
    assert len(warnings(row)) == 2


def test_system_history_and_input_come_in_order():
    row = {"system": "s", "history": [["c", "d"]], "instruction": "a", "input": "x", "output": "b"}
    earlier = [("system", "s"), ("user", "c"), ("assistant", "d")]
    assert turns(row) == [*earlier, ("user", "a\nx"), ("assistant", "b")]


@pytest.mark.parametrize(
    "history",
    [
        [["c", "d"]],
        '[["c", "d"]]',
        ["c", "d"],
        [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
        "[['c', 'd']]",
    ],
)
def test_history_comes_in_several_forms(history: Any):
    row = {"query": "a", "response": "b", "history": history}
    assert turns(row) == [("user", "c"), ("assistant", "d"), *PAIR]


@pytest.mark.parametrize("key", ["system", "system_prompt", "System_Prompt", "meta_instruction"])
def test_a_system_prompt_has_several_names(key: str):
    assert turns({key: "s", "question": "a", "answer": "b"}) == [("system", "s"), *PAIR]


def test_two_system_prompts_that_differ_are_a_fault():
    row = {"system": "s", "system_prompt": "t", "question": "a", "answer": "b"}
    assert "two system prompts" in faults(row)[0]
    assert turns({**row, "system_prompt": "s"})[0] == ("system", "s")


def test_a_context_belongs_to_the_question():
    row = {"instruction": "a", "context": "x", "response": "b", "history": [["c", "d"]]}
    assert turns(row)[2:] == [("user", "a\nx"), ("assistant", "b")]
    labelled = {"question": "问：a", "context": "问：x\n答：y", "answer": "答：b"}
    assert turns(labelled) == [("user", "a\n问：x\n答：y"), ("assistant", "b")]


def test_a_context_of_turns_is_all_that_was_said_before_the_answer():
    row = {"context": ["c", "d", "a"], "target": "b"}
    assert turns(row) == [("user", "c"), ("assistant", "d"), *PAIR]


@pytest.mark.parametrize(
    ("value", "text"), [(4, "4"), (3.14, "3.14"), (True, "true"), (False, "false"), (0, "0")]
)
def test_numbers_and_booleans_are_texts(value: Any, text: str):
    assert turns({"question": "a", "answer": value}) == [("user", "a"), ("assistant", text)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "a", "completion": ["c"]}, "completion: ['c']; expected a string"),
        ({"prompt": "a", "completion": {"c": 1}}, "completion: {'c': 1}; expected a string"),
        ({"prompt": "a", "completion": float("nan")}, "completion: nan; expected a string"),
        ({"prompt": "a", "completion": "\ud800"}, "half of a surrogate pair"),
        ({"prompt": "a", "completion": None}, "completion: an empty turn; expected text"),
        ({"prompt": "a", "completion": "  "}, "completion: an empty turn; expected text"),
        ({"query": "a", "response": "b", "history": [["c"]]}, "history[0]: ['c']"),
        ({"query": "a", "response": "b", "history": ["cd"]}, "turn 2: user after user"),
        ({"query": "a", "response": "b", "history": 3}, "history: 3; expected a list"),
        ({"question": "a", "answer": "b", "images": ["x.png"]}, "images: something in 'images'"),
    ],
)
def test_a_malformed_pair_is_a_fault_that_names_its_field(row: Any, expected: str):
    assert any(expected in fault for fault in faults(row))


def test_parts_of_two_shapes_are_a_fault():
    assert "--map question=question" in faults({"question": "a", "answer": "b", "summary": "c"})[0]


def test_case_makes_no_difference_in_names_of_fields():
    row = {"Instruction": "a", "Input": "x", "Output": "b", "System": "s", "ID": 1}
    assert turns(row) == [("system", "s"), ("user", "a\nx"), ("assistant", "b")]
    assert faults({"question": "a", "Question": "b", "answer": "c"})


def test_a_row_may_be_json_within_a_string():
    assert turns(json.dumps({"question": "a", "answer": "b"})) == PAIR
