"""Frozen training sets: what is in them, and that they stay so."""

from pathlib import Path
from typing import Any

import pytest

from data.conversation import Conversation, Message
from data.reading.reader import read_conversations
from finetune.errors import ConfigError, ExportRefused
from finetune.improving.correction import Correction, Side
from finetune.improving.training_set import (
    HELD_OUT_FILE,
    TRAINED_FILE,
    freeze,
    make_set,
    read_set,
)
from finetune.training.going_on.lineage import Lineage

OLD = [
    "My rim brakes squeal whenever I slow down.",
    "The chain slips when I push hard up a hill.",
    "Where do I take my old tyres?",
]
OUT = ["The tyre is flat again this morning."]


def asked(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def lineage(**fields: Any) -> Lineage:
    trained = [asked(each, "Old answer.") for each in OLD]
    held_out = [asked(each, "Old answer, held out.") for each in OUT]
    return Lineage("tcm@1", held_out, trained, len(held_out), **fields)


def made_of(corrections: dict[str, tuple[str, Side]]) -> tuple[list[Correction], dict[str, Side]]:
    made = [
        Correction(str(number), asked(question, answer), "Wrong.")
        for number, (question, (answer, _)) in enumerate(corrections.items())
    ]
    return made, {each.id: side for each, (_, side) in zip(made, corrections.values(), strict=True)}


def texts(conversations: list[Conversation] | tuple[Conversation, ...]) -> list[tuple[str, str]]:
    return [(each.messages[0].content, each.messages[-1].content) for each in conversations]


def test_a_corrected_question_loses_its_old_answer():
    corrections, sides = made_of(
        {
            OLD[0].upper(): ("Sand the pads.", "trained"),
            OLD[1]: ("New chain.", "held_out"),
            OUT[0]: ("Find the thorn.", "held_out"),
        }
    )
    made = make_set(lineage(), corrections, sides)
    assert texts([*made.trained]) == [(OLD[2], "Old answer."), (OLD[0].upper(), "Sand the pads.")]
    assert texts([*made.held_out]) == [(OLD[1], "New chain."), (OUT[0], "Find the thorn.")]
    assert (made.num_measuring, made.left_out) == (2, {"corrected": 3})


def test_nothing_like_what_measures_is_trained_on():
    like = f"{OLD[2]} I have so many of them, and no room in the shed any more."
    corrections, sides = made_of(
        {like: ("To the yard.", "held_out"), like[:-1]: ("Yard.", "trained")}
    )
    made = make_set(lineage(), corrections, sides)
    assert texts([*made.trained]) == [(each, "Old answer.") for each in OLD]
    assert made.left_out == {"like what is held out": 1}


def test_of_two_corrections_the_later_one_counts():
    corrections, sides = made_of({"A question?": ("First.", "trained")})
    again = Correction("again", asked("a question", "Second."), "Wrong.")
    made = make_set(lineage(), [*corrections, again], {**sides, "again": "trained"})
    assert texts([*made.trained])[-1] == ("a question", "Second.")


def test_without_the_line_there_is_no_set():
    lost = Lineage("tcm@1", [], [], 3, ["Its file is gone"])
    with pytest.raises(ConfigError, match="Its file is gone"):
        make_set(lost, [], {})


def test_a_frozen_set_is_read_back_and_notices_a_change(tmp_path: Path):
    corrections, sides = made_of(
        {"How high?": ("Hip high.", "trained"), "How hard?": ("Thumb hard.", "held_out")}
    )
    made = make_set(lineage(), corrections, sides)
    frozen = freeze(made, lineage(), corrections, sides, tmp_path / "tcm" / "1")
    assert frozen == read_set(tmp_path / "tcm" / "1")
    assert (frozen.parent, frozen.trained, frozen.held_out) == ("tcm@1", ("0",), ("1",))
    assert texts(read_conversations(tmp_path / "tcm" / "1" / TRAINED_FILE)) == texts(
        [*made.trained]
    )
    with pytest.raises(ExportRefused):
        freeze(made, lineage(), corrections, sides, tmp_path / "tcm" / "1")
    with (tmp_path / "tcm" / "1" / HELD_OUT_FILE).open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(ConfigError, match="not what was frozen"):
        read_set(tmp_path / "tcm" / "1")
