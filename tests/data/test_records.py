"""Rows of JSON, JSONL, CSV and TSV."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation
from data.errors import DataError, InvalidData
from data.records import read_csv, read_json, read_jsonl

PAIR = [("user", "a"), ("assistant", "b")]


def read_row(row: Any) -> Conversation:
    [conversation] = read_jsonl(json.dumps(row), "a.jsonl")
    return conversation


def turns(row: Any) -> list[tuple[str, str]]:
    return [(each.role, each.content) for each in read_row(row).messages]


def faults(row: Any) -> list[str]:
    with pytest.raises(InvalidData) as caught:
        read_row(row)
    return [str(fault) for fault in caught.value.faults]


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


USER = {"role": "user", "content": " a "}
ASSISTANT = {"role": "assistant", "content": "b\n"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
TOOL = {"role": "tool", "content": "", "tool_call_id": "1"}


@pytest.mark.parametrize(
    "row",
    [
        chat(USER, ASSISTANT),
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"instruction": "a", "output": "b"},
        {"instruction": "a", "input": "", "output": "b", "system": None, "history": []},
        {"instruction": "", "input": "a", "output": "b"},
        {"prompt": "a", "completion": "b"},
        {"question": "a", "answer": "b", "id": 7},
        {"query": "a", "response": "b"},
    ],
)
def test_every_shape_gives_the_same_turns(row: dict[str, Any]):
    assert turns(row) == PAIR


def test_system_history_and_input_come_in_order():
    row = {"system": "s", "history": [["c", "d"]], "instruction": "a", "input": "x", "output": "b"}
    assert turns(row) == [
        ("system", "s"),
        ("user", "c"),
        ("assistant", "d"),
        ("user", "a\nx"),
        ("assistant", "b"),
    ]


def test_weight_zero_is_not_trained():
    row = chat(USER, {**ASSISTANT, "weight": 0}, USER, {**ASSISTANT, "weight": 1})
    assert [each.is_trained for each in read_row(row).messages] == [False, False, False, True]


def test_tools_and_their_calls_are_kept():
    tools = [{"type": "function", "function": {"name": "f"}}]
    conversation = read_row({**chat(USER, CALL, TOOL, ASSISTANT), "tools": tools})
    assert list(conversation.tools) == tools
    assert list(conversation.messages[1].tool_calls) == CALL["tool_calls"]
    assert conversation.messages[2].tool_call_id == "1"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (chat(), "last turn: nothing"),
        (chat(USER), "last turn: user"),
        (chat(ASSISTANT), "turn 1: assistant after nothing"),
        (chat(USER, USER, ASSISTANT), "turn 2: user after user"),
        (chat(USER, ASSISTANT, TOOL, ASSISTANT), "turn 3: tool after assistant"),
        (chat(USER, ASSISTANT, {"role": "system", "content": "s"}), "turn 3: system"),
        (chat(USER, {**ASSISTANT, "content": " "}), r"messages[1].content: an empty turn"),
        (chat(USER, {**ASSISTANT, "content": ["b"]}), "messages[1].content: ['b']; expected a st"),
        (chat(USER, {**ASSISTANT, "weight": 0.5}), "messages[1].weight: 0.5; expected 0 or 1"),
        (chat({**USER, "weight": 0}, ASSISTANT), "messages[0]: the key 'weight'"),
        (chat(USER, {"role": "bot", "content": "b"}), "messages[1].role: 'bot'"),
        ({"messages": "hello"}, "messages: 'hello'; expected a list of objects"),
        ({"conversations": [{"from": ["x"], "value": "a"}]}, "conversations[0].from: ['x']"),
        ({"prompt": "a", "completion": 3}, "completion: 3; expected a string"),
        ({"prompt": "a", "completion": "\ud800"}, "half of a surrogate pair"),
        ({"query": "a", "response": "b", "history": [["c"]]}, "history[0]: ['c']"),
        ({"query": "a", "response": "b", "history": ["cd"]}, "history: ['cd']; expected a list"),
        ([1], "row: [1]; expected the keys messages"),
        ({"prompt": "a", "completion": None}, "row: the keys 'prompt'; expected"),
    ],
)
def test_malformed_row_is_a_fault_that_names_the_field(row: Any, expected: str):
    assert any(f"a.jsonl:1: {expected}" in fault or expected in fault for fault in faults(row))


def test_unknown_shape_names_the_keys_seen_and_the_accepted_sets():
    [fault] = faults({"question": "a", "anwser": "b"})
    assert "the keys 'question', 'anwser'" in fault
    for keys in ("messages", "conversations", "instruction, output", "prompt, completion"):
        assert keys in fault


def test_every_faulty_line_is_reported_by_its_number():
    good = json.dumps(chat(USER, ASSISTANT))
    with pytest.raises(InvalidData) as caught:
        read_jsonl(f'{good}\n\n{{"a": 1}}\n{{broken\n{good}\n3', "a.jsonl")
    assert [fault.line for fault in caught.value.faults] == [3, 4, 6]


def test_line_separators_inside_a_json_string_divide_no_line():
    row = json.dumps({"question": "a\u2028x", "answer": "b"}, ensure_ascii=False)
    assert read_jsonl(row, "a.jsonl")[0].messages[0].content == "a\u2028x"


def test_rows_of_a_json_list_know_their_lines():
    rows = [{"question": f"q{number}", "answer": "b"} for number in range(3)]
    conversations = read_json(json.dumps(rows, indent=1), "a.json")
    assert [each.line for each in conversations] == [2, 6, 10]
    assert conversations[2].messages[0].content == "q2"


@pytest.mark.parametrize(
    ("text", "line"),
    [('[{"a": 1},\n broken]', 2), ('{"question": "a"}', 1), ("[]", 1), ("[" * 100_000, 1)],
)
def test_json_that_is_no_list_of_rows_is_a_fault(text: str, line: int):
    with pytest.raises(InvalidData) as caught:
        read_json(text, "a.json")
    assert [fault.line for fault in caught.value.faults] == [line]


def test_key_that_stands_twice_is_a_fault():
    with pytest.raises(InvalidData, match=r"stands twice.*'question', 'answer'"):
        read_jsonl('{"question": "a", "answer": "b", "answer": "c"}', "a.jsonl")


def test_csv_cells_may_hold_delimiters_quotes_and_line_ends():
    text = 'question , answer\n"a, ""x""\n\ny",b\n,\n\nc,d\n'
    conversations = read_csv(text, "a.csv")
    assert [each.messages[0].content for each in conversations] == ['a, "x"\n\ny', "c"]
    assert [each.line for each in conversations] == [2, 7]


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("question,anwser\na,b\nc,d", 1, "header"),
        ("question,answer,answer\na,b,c", 1, "header"),
        (",\n,", 1, "header"),
        ("question,answer\n", 1, "rows"),
        ("question,answer\na,b\na,b,c", 3, "row"),
        ("question,answer\na,b\n\na,", 4, "answer"),
        ('question,answer\na,b\na,"b\n', 3, "row"),
        ("question,messages\na,b", 1, "header"),
    ],
)
def test_malformed_csv_is_a_fault_with_its_line(text: str, line: int, field: str):
    with pytest.raises(InvalidData) as caught:
        read_csv(text, "a.csv")
    assert [(fault.line, fault.field) for fault in caught.value.faults] == [(line, field)]


KEYS = st.sampled_from(
    ["messages", "tools", "role", "content", "weight", "tool_calls", "from", "id"]
)
WORDS = st.sampled_from(["user", "assistant", "system", "tool", "human", "gpt", "", "\ud800", "b"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.fixed_dictionaries({"role": WORDS, "content": inner})
        | st.fixed_dictionaries({"from": WORDS, "value": inner})
    ),
    max_leaves=12,
)
ROWS = (
    VALUES
    | st.fixed_dictionaries({"messages": VALUES, "tools": VALUES})
    | st.fixed_dictionaries({"conversations": VALUES, "system": VALUES})
    | st.fixed_dictionaries({"question": VALUES, "answer": VALUES, "history": VALUES})
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=3))
def test_any_json_gives_whole_conversations_or_faults(rows: list[Any]):
    try:
        conversations = read_json(json.dumps(rows), "a.json")
    except DataError as error:
        str(error).encode()  # fit to be printed
        return
    for conversation in conversations:
        roles = [each.role for each in conversation.messages]
        assert "user" in roles
        assert roles[-1] == "assistant"
