"""Answers that were called good or bad: read for a training on ratings, refused for any other."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.conversation import Conversation, good_ones
from data.errors import Fault
from data.reading.reader import ReadOptions, read_conversations, read_items

ROWS: list[dict[str, Any]] = [
    {"prompt": "失眠怎么办？", "completion": "早睡。", "label": True},
    {"prompt": "头痛怎么办？", "completion": "不知道。", "label": False},
    {"prompt": "咳嗽怎么办？", "completion": "多喝水。"},
]
WITH_BAD = ReadOptions(with_bad=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, ROWS)


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "ratings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_people_say_of_answers_is_read(path: Path):
    items = [*read_items(path, WITH_BAD)]
    assert [each.is_good for each in items if isinstance(each, Conversation)] == [True, False, None]
    assert not [each for each in items if isinstance(each, Fault)]  # the label is of use, too


def test_bad_answers_are_none_to_learn(path: Path):
    conversations = read_conversations(path, WITH_BAD)
    assert [each.messages[-1].content for each in good_ones(conversations)] == [
        "早睡。",
        "多喝水。",
    ]


def test_without_a_training_on_ratings_a_bad_answer_is_a_fault(path: Path):
    faults = [str(each) for each in read_items(path) if isinstance(each, Fault)]
    assert "label: false, as of an answer that is judged bad" in faults[0]
    assert "method kto" in faults[0]


@pytest.mark.parametrize("how", ["skip", "mend"])
def test_what_is_faulty_may_be_left_out_and_is_never_mended_into_a_good_one(
    tmp_path: Path, how: Any
):
    turns = [{"role": role, "content": role} for role in ("user", "user", "assistant")]
    path = write(tmp_path, [*ROWS, {"messages": turns, "label": False}])
    kept = read_conversations(path, ReadOptions(faulty=how))
    assert [each.is_good for each in kept] == [True, None]
