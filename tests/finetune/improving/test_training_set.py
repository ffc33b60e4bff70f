"""Frozen training sets: what is in them, and that they stay so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.conversation import Conversation, Message, Role
from data.reading.reader import read_conversations
from finetune.errors import ConfigError, ExportRefused
from finetune.improving.correction import Correction, Side
from finetune.improving.training_set import (
    FILES,
    HELD_OUT_FILE,
    MEASURING_FILE,
    TRAINED_FILE,
    as_read,
    freeze,
    make_set,
    read_set,
    take_out,
)
from finetune.preference.plan import ENOUGH, FEWEST
from finetune.training.going_on.identity import identify
from finetune.training.going_on.lineage import Lineage

OLD = [
    "My rim brakes squeal whenever I slow down.",
    "The chain slips when I push hard up a hill.",
    "Where do I take my old tyres?",
]
CONSONANTS = "bcdfghklmnp"
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
    assert texts([*made.measuring]) == [(OLD[1], "New chain."), (OUT[0], "Find the thorn.")]
    both = [*made.trained, *made.held_out]
    assert {*texts(both)} == {(OLD[2], "Old answer."), (OLD[0].upper(), "Sand the pads.")}
    assert (made.num_held_out_before, made.left_out) == (0, {"corrected": 3})


def test_what_chooses_the_weights_measures_nothing_and_is_not_trained_on():
    old = [
        asked(f"{word} {'abcdefghijklmnop'[i] * 30}?", f"{i}")
        for i, word in enumerate("pqrstuvwxyzklmno")
    ]
    line = Lineage("tcm@1", [asked(OUT[0], "Old.")], old, 1)
    corrections, sides = made_of({"How high?": ("Hip high.", "held_out")})
    made = make_set(line, corrections, sides)
    assert texts([*made.held_out])[0] == (OUT[0], "Old.")
    assert (len(made.held_out), made.num_held_out_before, len(made.trained)) == (5, 1, 12)
    assert not {*texts([*made.held_out])} & {*texts([*made.trained])}
    assert texts([*made.measuring]) == [("How high?", "Hip high.")]


def test_nothing_like_what_measures_is_trained_on():
    like = f"{OLD[2]} I have so many of them, and no room in the shed any more."
    corrections, sides = made_of(
        {like: ("To the yard.", "held_out"), like[:-1]: ("Yard.", "trained")}
    )
    made = make_set(lineage(), corrections, sides)
    assert "Yard." not in [answer for _, answer in texts([*made.trained, *made.held_out])]
    assert made.left_out == {"like what is held out": 1}


def test_of_two_corrections_the_later_one_counts():
    corrections, sides = made_of({"A question?": ("First.", "trained")})
    again = Correction("again", asked("a question", "Second."), "Wrong.")
    made = make_set(lineage(), [*corrections, again], {**sides, "again": "trained"})
    answers = [answer for _, answer in texts([*made.trained, *made.held_out])]
    assert ("Second." in answers, "First." in answers) == (True, False)


def test_an_answer_that_was_liked_replaces_none_that_was_written():
    liked = [Correction("0", asked(OLD[0], "Model's.")), Correction("1", asked(OUT[0], "Model's."))]
    made = make_set(lineage(), liked, {"0": "trained", "1": "trained"})
    rows = texts([*made.trained, *made.held_out])
    assert (OLD[0], "Old answer.") in rows
    assert (OUT[0], "Old answer, held out.") in rows
    assert "Model's." not in [answer for _, answer in rows]
    assert made.left_out == {"answered already": 1, "like what is held out": 1}


def test_without_the_line_there_is_no_set():
    lost = Lineage("tcm@1", [], [], 3, ["Its file is gone"])
    with pytest.raises(ConfigError, match="Its file is gone"):
        make_set(lost, [], {})


def test_a_frozen_set_is_read_back_and_notices_a_change(tmp_path: Path):
    folder = tmp_path / "tcm" / "1"
    corrections, sides = made_of(
        {"How high?": ("Hip high.", "trained"), "How hard?": ("Thumb hard.", "held_out")}
    )
    made = make_set(lineage(), corrections, sides)
    frozen = freeze(made, lineage(), corrections, sides, folder)
    assert frozen == read_set(folder)
    assert (frozen.parent, frozen.corrections) == ("tcm@1", sides)
    assert texts(read_conversations(folder / TRAINED_FILE)) == texts([*made.trained])
    with pytest.raises(ExportRefused):
        freeze(made, lineage(), corrections, sides, folder)
    with (folder / HELD_OUT_FILE).open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(ConfigError, match="not what was frozen"):
        read_set(folder)


def test_what_is_taken_out_leaves_its_id_alone(tmp_path: Path):
    folder = tmp_path / "1"
    odd = "Hip\u2028high,\u0085or not."
    corrections, sides = made_of(
        {"How high?": (odd, "trained"), "How hard?": ("Thumb hard.", "held_out")}
    )
    freeze(make_set(lineage(), corrections, sides), lineage(), corrections, sides, folder)
    assert not take_out(folder, {"other"})
    for _ in range(2):  # whoever was ended on the way does it again
        assert take_out(folder, {"0", "1", "other"})
    frozen = read_set(folder)
    assert (frozen.removed, frozen.num_rows[MEASURING_FILE]) == (("0", "1"), 0)
    kept = "".join((folder / name).read_text("utf-8") for name in FILES)
    assert ("high" in kept, "Thumb" in kept, "Old answer" in kept) == (False, False, True)


def corrected(question: str, answer: str, wrong: str = "No idea.") -> Conversation:
    return replace(asked(question, answer), rejected=(Message("assistant", wrong),))


def test_what_was_answered_wrongly_stands_beside_its_correction(tmp_path: Path):
    right = corrected("How high?", "Hip high.", "Ear high.")
    made = make_set(lineage(), [Correction("a", right, "Ear high.")], {"a": "trained"})
    folder = tmp_path / "1"
    freeze(made, lineage(), [Correction("a", right, "Ear high.")], {"a": "trained"}, folder)
    *_, read = read_conversations(folder / TRAINED_FILE)
    assert (read.messages, read.rejected) == (right.messages, right.rejected)
    assert identify(read) == identify(asked("How high?", "Hip high."))
    assert take_out(folder, {"a"})
    assert "Ear high" not in "".join((folder / name).read_text("utf-8") for name in FILES)


@pytest.mark.parametrize(("number", "chosen"), [(ENOUGH - 1, 0), (ENOUGH, FEWEST)])
def test_so_many_pairs_that_a_second_stage_learns_from_them_choose_too(number: int, chosen: int):
    words = [f"{one}{two}" for one in CONSONANTS for two in CONSONANTS]
    questions = [f"What is a {word} of {word} in {word}?" for word in words[:number]]
    corrections = [Correction(each, corrected(each, "A bolt."), "No idea.") for each in questions]
    known = [
        asked(f"Where do {n} go?", "Out.") for n in ("horses", "bees", "clouds", "we", "ships")
    ]
    line = Lineage("tcm@1", known, [asked("Old?", "Old.")], len(known))
    made = make_set(line, corrections, dict.fromkeys(questions, "trained"))
    pairs = [each for each in made.held_out if each.rejected]
    assert (len(pairs), len(made.trained)) == (chosen, number + 1 - chosen)


@pytest.mark.parametrize(
    ("roles", "is_read"),
    [(("user", "assistant"), True), (("user", "user", "assistant"), False), (("user",), False)],
)
def test_what_no_file_can_hold_is_found_before(roles: tuple[Role, ...], is_read: bool):
    given = Conversation(tuple(Message(role, " Text \n") for role in roles))
    read = as_read(given)
    assert (read is not None) == is_read
    assert read is None or read.messages[-1].content == "Text"
