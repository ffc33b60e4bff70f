"""Turns that may not follow each other, and how they are mended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.conversation import Message, Role
from data.reading.order import EMPTY, GREETING, JOINED, UNANSWERED, mend, wrong_turns

LETTERS: dict[str, Role] = {"s": "system", "u": "user", "a": "assistant"}


def messages(turns: str) -> list[Message]:
    """ "u a" is a question and an answer; a dot behind a letter, an empty turn."""
    return [
        Message(LETTERS[turn[0]], "" if turn.endswith(".") else f"{turn} {number}")
        for number, turn in enumerate(turns.split())
    ]


def shape(found: tuple[Message, ...]) -> str:
    return " ".join(message.role[0] for message in found)


@pytest.mark.parametrize(
    ("turns", "left", "done"),
    [
        ("u a", "u a", []),
        ("u a u", "u a", [UNANSWERED]),
        ("a u a", "u a", [GREETING]),
        ("s a u a", "s u a", [GREETING]),
        ("u u a a", "u a", [JOINED]),
        ("a u u a u", "u a", [JOINED, GREETING, UNANSWERED]),
        ("u a. u a", "u a", [EMPTY]),
        ("u a u. a", "u a", [JOINED]),
    ],
)
def test_what_can_be_mended(turns: str, left: str, done: list[str]):
    mended = mend(messages(turns))
    assert mended is not None
    assert shape(mended.messages) == left
    assert [what for what, _ in mended.done] == done


@pytest.mark.parametrize("turns", ["u", "a", "a u", "u a.", "s u", "s s u a", "u a s u a", ""])
def test_what_cannot_be(turns: str):
    assert mend(messages(turns)) is None


def test_what_was_done_is_told_with_the_text_it_was_first_done_to():
    mended = mend([Message("user", "头晕"), Message("assistant", "早睡"), Message("user", "谢谢")])
    assert mended is not None
    assert mended.done == ((UNANSWERED, "谢谢"),)


def test_turns_of_a_tool_are_left_as_they_are():
    calls = ({"id": "1", "function": {"name": "f", "arguments": "{}"}},)
    turns = [
        Message("user", "a"),
        Message("assistant", "", tool_calls=calls),
        Message("tool", "", tool_call_id="1"),
        Message("assistant", "b"),
    ]
    mended = mend([*turns, Message("user", "thanks")])
    assert mended is not None
    assert list(mended.messages) == turns


def test_answers_that_are_trained_and_not_are_no_one_turn():
    two = [
        Message("user", "a"),
        Message("assistant", "b"),
        Message("assistant", "c", trained=False),
    ]
    assert mend(two) is None


TURN = st.builds(
    Message, st.sampled_from(sorted(LETTERS.values())), st.sampled_from(["", "a", "b", "c"])
)


@given(st.lists(TURN, max_size=8))
def test_what_is_mended_is_in_order_and_holds_no_other_text(turns: list[Message]):
    mended = mend(turns)
    if mended is None:
        return
    assert not list(wrong_turns(mended.messages))
    given_texts = [each.content for each in turns if each.content]
    kept = [line for each in mended.messages for line in each.content.split("\n")]
    remaining = iter(given_texts)
    assert all(text in remaining for text in kept)  # in the order in which they were given
