"""Who asks and who answers in a chat."""

import pytest

from data.conversation import Role
from data.reading.exports.export import Export
from data.reading.exports.speakers import clean_name
from tests.data.reading.exports.chats import export_of


def chat(*said: tuple[str, str]) -> str:
    return "".join(f"31/12/2023, 21:41 - {name}: {text}\n" for name, text in said)


def roles_of(found: Export) -> list[list[Role]]:
    return [[turn.role for turn in one] for one in found.conversations]


TWO = chat(("Nina", "a"), ("Bike Shop", "b"), ("Nina", "c"), ("Bike Shop", "d"))


def test_the_user_says_who_is_who():
    found = export_of(TWO, {"nina": "assistant", "bike shop": "user"})
    assert roles_of(found) == [["assistant", "user"] * 2]
    assert not found.faults


def test_of_two_one_is_enough():
    found = export_of(TWO, {"nina": "assistant"})
    assert roles_of(found) == [["assistant", "user"] * 2]
    assert [fault.kind for fault in found.faults] == ["speakers"]


def test_a_guess_is_said_with_counts_and_the_option():
    [warning] = export_of(TWO).faults
    assert warning.severity == "warning"
    assert warning.seen.startswith("Nina (2 messages) and Bike Shop (2 messages): Nina was taken")
    assert "--roles 'Bike Shop=user,Nina=assistant'" in warning.expected


@pytest.mark.parametrize(
    ("ask", "answer", "first"),
    [
        ("Nina", "Bike Shop", "hello"),
        ("小王", "李医生", "您好"),
        ("Nina", "Tom", "Hi, how can I help you?"),
        ("Nina", "Dr. Miller", "What is it?"),
    ],
)
def test_who_greets_first_may_be_the_one_who_answers(ask: str, answer: str, first: str):
    text = chat((answer, first), (ask, "a"), (answer, "b"), (ask, "c"), (answer, "d"))
    assert roles_of(export_of(text)) == [["assistant", "user"] * 2 + ["assistant"]]


def test_or_else_it_is_who_opens_most_conversations():
    days = "".join(
        f"{day}/12/2023, 10:00 - {one}: a\n{day}/12/2023, 10:01 - {other}: b\n"
        for day, one, other in ((1, "Tom", "Nina"), (2, "Nina", "Tom"), (3, "Nina", "Tom"))
    )
    assert roles_of(export_of(days)) == [
        ["assistant", "user"],
        ["user", "assistant"],
        ["user", "assistant"],
    ]


THREE = TWO + chat(("Tom", "me, too"), ("+49 170 1234567", "hi"), ("Bike Shop", "e"))


def test_of_three_each_has_to_be_named():
    found = export_of(THREE)
    [error] = found.faults
    assert error.severity == "error"
    assert not found.conversations
    assert "Bike Shop (3 messages), Nina (2 messages), Tom (1 message)" in error.seen
    assert "--roles 'Nina=…,Bike Shop=…,Tom=…,+49…4567=…'" in error.expected


def test_a_speaker_may_be_skipped():
    found = export_of(
        THREE, {"nina": "user", "bike shop": "assistant", "tom": "skip", "+49 170 1234567": "skip"}
    )
    assert [(turn.role, turn.lines) for turn in found.conversations[0]][2:] == [
        ("user", ["c"]),
        ("assistant", ["d", "e"]),
    ]


def test_a_name_that_nobody_has_is_no_reason_to_guess():
    [error] = export_of(TWO, {"nnia": "user"}).faults
    assert error.severity == "error"
    assert "Nina (2 messages)" in error.seen


def test_phone_numbers_are_not_shown_and_may_be_given_as_they_are_shown():
    phone = "+86 138 1234 5678"
    text = TWO.replace("Nina", phone) + f"31/12/2023, 21:41 - {phone} left\n"
    faults = export_of(text).faults
    assert [fault.kind for fault in faults] == ["note", "speakers"]
    assert not [fault for fault in faults if "1234" in f"{fault}"]
    assert roles_of(export_of(text, {"+86…5678": "assistant"})) == [["assistant", "user"] * 2]


def test_one_letter_is_no_role_word_but_in_q_and_a():
    assert roles_of(export_of(TWO.replace("Nina", "A").replace("Bike Shop", "B"))) == [
        ["user", "assistant"] * 2
    ]
    assert roles_of(export_of(TWO.replace("Nina", "A").replace("Bike Shop", "Q"))) == [
        ["assistant", "user"] * 2
    ]


@pytest.mark.parametrize(
    "name",
    ["~\u202fNina", "\u202aNina\u202c", "'Nina'", "**Nina**", "Nina(10023456)", "Nina<n@x.org>"],
)
def test_what_stands_around_a_name_is_no_part_of_it(name: str):
    assert clean_name(name) == "Nina"


def test_a_name_has_nothing_that_would_divide_the_option():
    assert clean_name("Roe, Nina = me") == "Roe Nina me"
