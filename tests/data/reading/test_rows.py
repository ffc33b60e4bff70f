"""Rows of JSON, JSONL, CSV and TSV."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation
from data.errors import Fault
from data.reading import json_rows, tables
from data.reading.faulty import Read
from tests.data.reading.items import conversations_of, faults_of, settled
from tests.data.reading.lines import faults


def read_json(text: str) -> Iterator[Read]:
    return json_rows.read_json(io.StringIO(text), "a.json", {})


def read_csv(text: str) -> Iterator[Read]:
    return tables.read_csv(io.StringIO(text), "a.csv", {})


def test_unknown_shape_names_the_keys_seen_and_the_accepted_sets():
    [fault] = faults({"question": "a", "anwser": "b"})
    assert "the keys 'question', 'anwser'" in fault
    for keys in ("messages", "conversations", "instruction", "output", "问题", "回答"):
        assert keys in fault
    assert "--map question=question,answer=anwser" in fault


def test_csv_cells_may_hold_delimiters_quotes_and_line_ends():
    text = 'question , answer\n"a, ""x""\n\ny",b\n,\n\nc,d\n'
    conversations = conversations_of(read_csv(text))
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
    assert [(fault.line, fault.field) for fault in faults_of(read_csv(text))] == [(line, field)]


KEYS = st.sampled_from(
    ["messages", "tools", "role", "content", "weight", "tool_calls", "from", "id", "q", "a", "text"]
)
WORDS = st.sampled_from(
    [
        "user",
        "assistant",
        "system",
        "tool",
        "human",
        "gpt",
        "",
        "\ud800",
        "b",
        "问：a",
        "答：\\nb",
        "[3]",
    ]
)
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
    | st.fixed_dictionaries({"data": VALUES, "context": VALUES})
    | st.fixed_dictionaries({"questions": VALUES, "answers": VALUES})
    | st.fixed_dictionaries({"patterns": VALUES, "responses": VALUES})
    | st.fixed_dictionaries({"paragraphs": VALUES, "text": VALUES})
    | st.fixed_dictionaries({"question": VALUES, "answer": VALUES, "history": VALUES})
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=3))
def test_any_json_gives_whole_conversations_or_faults(rows: list[Any]):
    for item in settled(read_json(json.dumps(rows))):
        if isinstance(item, Fault):
            str(item).encode()  # fit to be printed
            continue
        roles = [each.role for each in item.messages]
        assert "user" in roles
        assert roles[-1] == "assistant"


def test_history_in_a_table_is_json():
    text = 'query,response,history\na,b,"[[""c"", ""d""]]"\na,b,\na,b,never\n'
    read = list(read_csv(text))
    assert [len(item.messages) for item in read if isinstance(item, Conversation)] == [4, 2]
    assert [fault.field for fault in faults_of(read)] == ["history"]


@pytest.mark.parametrize("named", [{}, {"question": "q", "answer": "a"}])
def test_a_column_may_be_named_that_says_which_rows_are_kept(named: dict[str, str]):
    rows = [{"q": "a", "a": "b", "label": True}, {"q": "c", "a": "d", "label": False}]
    text = json.dumps(rows)
    read = settled(json_rows.read_json(io.StringIO(text), "a.json", {**named, "keep": "label"}))
    [conversation] = conversations_of(read)
    assert [each.content for each in conversation.messages] == ["a", "b"]
    [fault, *_] = faults_of(json_rows.read_json(io.StringIO(text), "a.json", {"keep": "tag"}))
    assert (fault.field, fault.expected) == ("tag", "the column 'tag', as --map says")


def test_a_field_of_no_use_is_named_once():
    rows = [{"question": "a", "answer": "b", "score": 3, "id": 1}] * 2
    read = list(read_json(json.dumps(rows)))
    assert len(read) == 3
    [fault] = faults_of(read)
    assert (fault.field, fault.severity) == ("score", "warning")


def test_the_user_may_say_what_fields_are_called():
    columns = {"question": "症状描述", "answer": "专家意见"}
    text = "编号,症状描述,专家意见\n1,a,b\n"
    assert "--map question=症状描述,answer=专家意见" in str(faults_of(read_csv(text))[0])
    conversation, _ = tables.read_csv(io.StringIO(text), "a.csv", columns)
    assert isinstance(conversation, Conversation)
    assert [each.content for each in conversation.messages] == ["a", "b"]
    [fault] = faults_of(tables.read_csv(io.StringIO("x,y\n1,2\n"), "a.csv", columns))
    assert (fault.line, fault.field) == (1, "header")
    assert "the columns '症状描述', '专家意见'" in str(fault)
    faults = faults_of(json_rows.read_jsonl(io.StringIO('{"x": "1"}\n'), "a.jsonl", columns))
    assert [fault.field for fault in faults] == ["症状描述", "专家意见"]


def test_a_proposal_goes_by_names_before_places():
    assert "--map question=用户问题,answer=医生回答" in str(
        faults_of(read_csv("编号,医生回答,用户问题\n1,先量血压。,头晕怎么办？\n"))[0]
    )


def test_a_cell_may_be_longer_than_csv_allows_by_itself():
    text = f"question,answer\na,{'b' * 200_000}\n"
    assert len(conversations_of(read_csv(text))[0].messages[1].content) == 200_000


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_is_divided_as_its_header_is(delimiter: str):
    text = f"question{delimiter}answer\na, b{delimiter}c\n"
    assert [m.content for m in conversations_of(read_csv(text))[0].messages] == ["a, b", "c"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_header_may_stand_below_titles_that_are_left_out_and_named(delimiter: str):
    text = f"内科问答表\n\n2024 年{delimiter}\nquestion{delimiter}answer\na{delimiter}b\n"
    warning, conversation = read_csv(text)
    assert isinstance(warning, Fault)
    assert (warning.line, warning.severity) == (1, "warning")
    assert "2 rows above it, left out: '内科问答表', '2024 年'" in warning.seen
    assert isinstance(conversation, Conversation)
    assert (conversation.line, conversation.messages[1].content) == (5, "b")


def test_a_title_above_a_header_of_unknown_names_is_not_taken_for_it():
    [fault] = faults_of(read_csv("内科问答表,\n病情,意见\na,b\n"))
    assert (fault.line, fault.field) == (2, "header")
    assert "in one of the first 5 rows the keys messages" in fault.expected
    assert "--map question=病情,answer=意见" in fault.expected
    columns = {"question": "病情", "answer": "意见"}
    read = tables.read_csv(io.StringIO("内科问答表\n病情;意见\na;b\n"), "a.csv", columns)
    assert [type(item) for item in read] == [Fault, Conversation]


def test_a_row_of_data_is_no_title():
    [fault] = faults_of(read_csv("a,b\n" * 6 + "question,answer\n"))
    assert (fault.line, fault.seen) == (1, "no header, it seems: the first row is 'a', 'b'")


def test_a_name_that_stands_twice_is_said_to():
    [fault] = faults_of(read_csv("question,answer,answer\na,b,c"))
    assert fault.expected == "every name once"


def test_every_row_with_a_quote_too_many_is_a_fault_and_those_below_are_read():
    text = 'question,answer\na,"b"c\nd,e\nf,"g\nh,"i\nj"\n"k,l\nm,\nn,"o\n'
    read = list(read_csv(text))
    assert [(fault.line, fault.field) for fault in faults_of(read)] == [
        (2, "row"),
        (4, "row"),
        (7, "row"),
        (8, "answer"),
        (9, "row"),
    ]
    conversations = [item for item in read if isinstance(item, Conversation)]
    assert [(each.line, each.messages[1].content) for each in conversations] == [
        (3, "e"),
        (5, "i\nj"),
    ]
    assert 'f,"g' in str(faults_of(read)[1])


def test_many_quotes_too_many_take_no_long_time():
    text = "question,answer\n" + 'a,"b\n' * 20_000 + 'c,""\n' * 20_000
    assert len(faults_of(read_csv(text))) == 40_000


def test_columns_that_the_user_has_not_named_are_said_to_be_left_out():
    columns = {"question": "ask", "answer": "reply"}
    rows = [{"ask": "a", "reply": "b", "id": 1, "score": 2, "History": "[]"}] * 2
    text = "\n".join(map(json.dumps, rows))
    read = list(json_rows.read_jsonl(io.StringIO(text), "a.jsonl", columns))
    assert len(read) == 3
    [fault] = faults_of(read)
    assert (fault.line, fault.severity, fault.field) == (1, "warning", "--map")
    assert "the keys 'score', 'History'" in fault.seen


def test_a_name_of_no_use_that_the_user_has_given_is_said_to_be_left_out():
    columns = {"question": "q", "answer": "a", "score": "s"}
    text = '{"q": "a", "a": "b", "s": "3"}'
    _, fault = json_rows.read_jsonl(io.StringIO(text), "a.jsonl", columns)
    assert isinstance(fault, Fault)
    assert (fault.field, fault.kind) == ("score", "unused field")


def test_a_title_beside_a_question_is_said_to_be_left_out():
    rows = [
        {"title": "Dizzy", "ask": "I am dizzy. What now?", "answer": "b"},  # says nothing more
        {"title": "t", "ask": "", "answer": "b"},
        {"title": "t", "ask": "a", "answer": "b"},
        {"title": "u", "ask": "a", "answer": "b"},
    ]
    read = list(read_json(json.dumps(rows, indent=1)))
    [fault] = faults_of(read)
    assert (fault.line, fault.field, fault.severity) == (12, "title", "warning")
    assert "beside a question" in fault.seen
    assert "--map question=title" in fault.expected
    questions = [item.messages[0].content for item in read if isinstance(item, Conversation)]
    assert questions == ["I am dizzy. What now?", "t", "a", "a"]


@pytest.mark.parametrize(
    ("word", "is_kept"),
    [
        *(
            (word, True)
            for word in ("yes", "Y", "1", "1.0", "TRUE", "是", " 是 ", "１", "Ｙ", "对")
        ),
        *((word, False) for word in ("no", "N", "0", "FALSE", "否", "０", "不", "")),
    ],
)
def test_a_decision_is_read_as_people_write_it(word: str, is_kept: bool):
    text = json.dumps([{"question": "问", "answer": "答", "keep": word}], ensure_ascii=False)
    items = settled(read_json(text))
    assert len([item for item in items if isinstance(item, Conversation)]) == is_kept
    assert all(fault.severity == "warning" for fault in faults_of(items))
