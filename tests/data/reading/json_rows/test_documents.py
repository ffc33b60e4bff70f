"""What a JSON document holds: rows in a list, in columns, by their keys, or questions as keys."""

import io
import json
from typing import Any

import pytest

from data.conversation import Conversation
from data.errors import Fault
from data.reading import json_rows
from data.reading.rows import Columns
from tests.data.reading.items import conversations_of, faults_of

ROWS = [{"question": "a", "answer": "b"}, {"question": "c", "answer": "d"}]
CHATS = [
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
]
SAID = [["a", "b"], ["c", "d"]]


def read(document: Any, columns: Columns | None = None, indent: int | None = 1) -> list[Any]:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return list(json_rows.read_json(io.StringIO(text), "a.json", columns or {}))


def said(items: list[Any]) -> list[list[str]]:
    return [[turn.content for turn in item.messages] for item in conversations_of(items)]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        CHATS,
        [["a", "b"], ["c", "d"]],
        [["问：a", "答：b"], ["问：c", "答：d"]],
        {"rows": ROWS},
        {"SFT_data": [["问：a", "答：b"], ["问：c", "答：d"]]},
        {"data": ROWS},
        {"items": ROWS},
        {"data": CHATS},
        {"data": {"list": ROWS}},
        {"result": {"page": {"rows": ROWS}}},
        {"messages": CHATS},
        {"conversations": [["a", "b"], ["c", "d"]]},
        {"question": ["a", "c"], "answer": ["b", "d"]},
        {"Question": ["a", "c"], "Answer": ["b", "d"], "id": [1, 2]},
        {"question": {"0": "a", "1": "c"}, "answer": {"0": "b", "1": "d"}},
        {"columns": ["question", "answer"], "index": [0, 1], "data": [["a", "b"], ["c", "d"]]},
        {"0": ROWS[0], "1": ROWS[1]},
        {"x": CHATS[0], "y": CHATS[1]},
        {"values": [["question", "answer"], ["a", "b"], ["c", "d"]]},
        [["id", "Question", "Answer"], [1, "a", "b"], [2, "c", "d"]],
        {"conversations": [{"conversations": chat} for chat in CHATS]},
        {"items": [{"messages": chat, "id": n} for n, chat in enumerate(CHATS)]},
        {"x": ["问：a", "答：b"], "y": ["问：c", "答：d"]},
        {"x": {"dialogue": ["a", "b"]}, "y": {"dialogue": ["c", "d"]}},
        {"messages": {"0": CHATS[0], "1": CHATS[1]}, "id": {"0": 1, "1": 2}},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_are_found_wherever_a_document_has_them(document: Any, indent: int | None):
    assert said(read(document, indent=indent)) == SAID


@pytest.mark.parametrize(
    "document",
    [
        {"question": "a", "answer": "b"},
        {"messages": CHATS[0]},
        {"data": ["问：a", "答：b"]},
        {"data": CHATS[0]},
        {"conversation": [{"human": "a", "assistant": "b"}]},
        {"text": "User: a\nAssistant: b"},
        CHATS[0],
        ["问：a", "答：b"],
        {"questions": ["a"], "answers": ["b"]},
        {"dialogue_turns": {"speaker": ["病人", "医生"], "utterance": ["a", "b"]}},
        {"num_turns": 1, "chat": {"turn_1": {"Human": "<|Human|>: a<eoh>", "MOSS": "b"}}},
        {"patterns": ["a"], "responses": ["b"], "tag": "t"},
    ],
)
def test_one_row_is_a_document_too(document: Any):
    assert said(read(document)) == [["a", "b"]]


@pytest.mark.parametrize("keys", [["Is it a?", "Is it c?"], ["头晕怎么办", "胃胀怎么办"]])
def test_questions_may_be_keys(keys: list[str]):
    assert said(read(dict(zip(keys, "bd", strict=True)))) == [[keys[0], "b"], [keys[1], "d"]]


@pytest.mark.parametrize(
    "document",
    [
        {"name": "a", "version": "b"},
        {"姓名": "张三", "年龄": "三十"},
        {"How?": "b"},
        {"Is it a?": ["b"], "Is it c?": ["d"]},
        {"question": ["a", "c"], "answer": ["b"]},
        {"first": ["a", "c"], "second": ["b", "d"]},
        {"x": ["a", "b"], "y": ["c", "d"]},
        {"train": ROWS, "test": ROWS},
        ["a", "b", "c", "d"],
        [["1", "内科", "a", "b"], ["2", "内科", "c", "d"], ["3", "内科", "e", "f"]],
        {"error": "Repository not found"},
        {},
    ],
)
def test_a_document_that_may_mean_something_else_is_one_fault(document: Any):
    [fault] = faults_of(read(document))
    assert (fault.line, fault.severity) == (1, "error")


def test_rows_know_their_lines():
    def lines(document: Any) -> list[int]:
        return [each.line for each in conversations_of(read(document))]

    assert lines(ROWS) == [2, 6]
    assert lines({"rows": ROWS}) == [3, 7]
    assert lines({"data": {"list": ROWS}}) == [4, 8]
    assert lines({"x": ROWS[0], "y": ROWS[1]}) == [2, 6]
    assert lines({"question": ["a", "c"], "answer": ["b", "d"]}) == [3, 4]
    assert lines({"Is it a?": "b", "Is it c?": "d"}) == [2, 3]


def test_what_stands_beside_the_rows_is_said_to_be_left_out():
    items = read({"code": 0, "data": {"list": ROWS, "total": 2}})
    [warning] = faults_of(items)
    assert warning.severity == "warning"
    assert warning.seen == "the keys 'code', 'data.total' beside the rows of 'data.list'"
    assert len(items) == 3


def test_of_several_lists_the_one_of_rows_is_read():
    items = read({"licenses": [{"name": "x"}], "annotations": ROWS})
    assert len([item for item in items if isinstance(item, Conversation)]) == 2
    [warning] = faults_of(items)
    assert "'licenses' beside the rows of 'annotations'" in warning.seen


def test_the_one_list_of_an_object_is_its_rows():
    document = {"version": [1], "data": ROWS, "info": {"data": 2}}
    [warning] = faults_of(read(document))
    assert "'version', 'info' beside the rows of 'data'" in warning.seen


def test_an_object_of_several_lists_or_none_is_a_fault_that_names_its_keys():
    [fault] = faults_of(read({"train": ROWS, "test": ROWS}))
    assert "2 lists of objects: 'train', 'test'; expected a JSON list" in str(fault)
    [fault] = faults_of(read({"name": "x", "rows": []}))
    assert "without a list of objects, which has the keys 'name', 'rows'" in str(fault)


def test_few_of_many_keys_are_named():
    [fault] = faults_of(read({f"key{number}": number for number in range(1000)}))
    assert "and 990 more" in str(fault)
    assert len(str(fault)) < 400


def test_what_the_user_says_of_fields_holds_in_every_form():
    columns = {"question": "ask", "answer": "re"}
    row = {"ask": "a", "re": "b"}
    for document in (
        [row],
        row,
        {"x": [row]},
        {"ask": ["a"], "re": ["b"]},
        [["ask", "re"], ["a", "b"]],
    ):
        assert [
            [t.content for t in c.messages]
            for c in read(document, columns)
            if not isinstance(c, Fault)
        ] == [["a", "b"]]
