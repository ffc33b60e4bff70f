"""Conversations written in other shapes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation, Message
from data.convert import SHAPE_NAMES, ShapeName, write_conversations
from data.errors import Fault, InvalidData, UnreadableFile
from data.reading.reader import read_conversations, read_items

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n")
WORDS = st.text(CHARACTERS, min_size=1, max_size=20).map(str.strip).filter(bool)
EXCHANGES = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3)


def build(system: str | None, exchanges: list[tuple[str, str]]) -> Conversation:
    messages = [Message("system", system)] if system else []
    for question, answer in exchanges:
        messages += [Message("user", question), Message("assistant", answer)]
    return Conversation(tuple(messages))


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SHAPE_NAMES),
    st.lists(st.builds(build, st.none() | WORDS, EXCHANGES), min_size=1, max_size=4),
)
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, shape: ShapeName, conversations: list[Conversation]
):
    path = tmp_path_factory.getbasetemp() / "convert.jsonl"
    path.unlink(missing_ok=True)
    assert write_conversations(conversations, path, shape) == len(conversations)
    read = read_conversations(path)
    assert [each.messages for each in read] == [each.messages for each in conversations]


def test_tools_and_untrained_answers_keep_to_openais_shape(tmp_path: Path):
    row = {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "x", "tool_call_id": "1"},
            {"role": "assistant", "content": "b", "weight": 0},
        ],
        "tools": [{"type": "function"}],
    }
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps(row))
    write_conversations(read_items(source), tmp_path / "b.jsonl")
    assert written(tmp_path / "b.jsonl") == [row]
    for shape in ("alpaca", "sharegpt"):
        with pytest.raises(InvalidData) as caught:
            write_conversations(read_items(source), tmp_path / "c.jsonl", shape)
        assert [fault.field for fault in caught.value.faults] == [
            "turn 2",
            "turn 3",
            "turn 4",
            "tools",
        ]
        assert not (tmp_path / "c.jsonl").exists()


def test_faults_of_what_is_read_leave_no_file(tmp_path: Path):
    items = [build(None, [("a", "b")]), Fault("a.txt", 3, "user", "an empty turn", "text")]
    with pytest.raises(InvalidData, match=r"a\.txt:3"):
        write_conversations(items, tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text("precious")
    with pytest.raises(UnreadableFile, match="exists already"):
        write_conversations([build(None, [("a", "b")])], path)
    assert path.read_text() == "precious"


def test_personal_data_is_replaced_where_that_is_asked_for(tmp_path: Path):
    conversation = build(None, [("我的电话13812345678", "好")])
    write_conversations([conversation], tmp_path / "a.jsonl", redacted=True)
    assert written(tmp_path / "a.jsonl")[0]["messages"][0]["content"] == "我的电话[电话]"


def test_a_question_that_alpaca_would_read_as_turns_is_refused_there(tmp_path: Path):
    conversation = build(None, [("User: hi\nAssistant: hello\nUser: bye?", "ok")])
    with pytest.raises(InvalidData, match="read as turns"):
        write_conversations([conversation], tmp_path / "a.jsonl", "alpaca")
    assert write_conversations([conversation], tmp_path / "b.jsonl", "sharegpt") == 1
