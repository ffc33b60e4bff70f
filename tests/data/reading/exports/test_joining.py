"""Messages to turns and conversations."""

from data.reading.exports.speakers import Part
from tests.data.reading.exports.chats import items_of
from tests.data.reading.items import faults_of, texts_of

ROLES: dict[str, Part] = {"nina": "user", "tom": "assistant", "eve": "skip"}


def chat(*said: tuple[str, str, str]) -> str:
    return "".join(f"{when} - {name}: {text}\n" for when, name, text in said)


def texts(text: str) -> list[list[str]]:
    return [[text for _, text in one] for one in texts_of(items_of(text, ROLES))]


def errors(text: str) -> list[tuple[int, str]]:
    return [
        (fault.line, fault.field)
        for fault in faults_of(items_of(text, ROLES))
        if fault.severity == "error"
    ]


def test_messages_of_one_speaker_are_one_turn():
    text = chat(
        ("1/1/2024, 10:00", "Nina", "a"),
        ("1/1/2024, 10:01", "Nina", "b"),
        ("1/1/2024, 10:02", "Eve", "no"),
        ("1/1/2024, 10:03", "Nina", "c"),
        ("1/1/2024, 10:04", "Tom", "d"),
    )
    assert texts(text) == [["a\nb\nc", "d"]]


def test_a_long_pause_begins_a_conversation_and_is_said():
    text = chat(
        ("1/1/2024, 10:00", "Nina", "a"),
        ("1/1/2024, 15:59", "Tom", "b"),
        ("1/1/2024, 21:00", "Nina", "c"),
        ("1/1/2024, 21:01", "Tom", "d"),
        ("2/1/2024, 3:02", "Nina", "e"),
        ("2/1/2024, 3:03", "Tom", "f"),
    )
    assert texts(text) == [["a", "b", "c", "d"], ["e", "f"]]
    [warning] = faults_of(items_of(text, ROLES))
    assert (warning.line, warning.kind) == (5, "pause")
    assert "2 conversations where nobody wrote for more than 6 hours: above line 5" in warning.seen


def test_an_answer_on_the_next_day_belongs_to_its_question():
    text = chat(
        ("1/1/2024, 22:00", "Nina", "a"),
        ("2/1/2024, 9:00", "Tom", "b"),
        ("2/1/2024, 9:01", "Nina", "c"),
        ("2/1/2024, 9:02", "Tom", "d"),
    )
    assert texts(text) == [["a", "b", "c", "d"]]


def test_a_pause_before_a_picture_is_one_before_what_follows():
    text = chat(
        ("1/1/2024, 10:00", "Nina", "a"),
        ("1/1/2024, 10:01", "Tom", "b"),
        ("2/1/2024, 10:00", "Nina", "<Media omitted>"),
        ("2/1/2024, 10:01", "Eve", "no"),
        ("2/1/2024, 10:02", "Nina", "c"),
        ("2/1/2024, 10:03", "Tom", "d"),
    )
    assert texts(text) == [["a", "b"], ["c", "d"]]


def test_another_file_behind_the_first_begins_a_conversation():
    text = chat(
        ("3/1/2024, 10:00", "Nina", "a"),
        ("3/1/2024, 10:01", "Tom", "b"),
        ("1/1/2024, 10:00", "Nina", "c"),
        ("1/1/2024, 10:01", "Tom", "d"),
    )
    assert texts(text) == [["a", "b"], ["c", "d"]]


def test_a_rule_divides_chats_where_names_stand_alone_and_is_text_elsewhere():
    one = "2024-01-01 10:00:00 Nina\na\n\n2024-01-01 10:01:00 Tom\nb\n\n"
    assert texts(f"{one}{'=' * 64}\nNina\n{'=' * 64}\n\n{one}") == [["a", "b"], ["a", "b"]]
    rule = "-" * 40
    text = chat(
        ("1/1/2024, 10:00", "Nina", "a"),
        ("1/1/2024, 10:01", "Tom", f"b\n{rule}\nc"),
        ("1/1/2024, 10:02", "Nina", "d"),
        ("1/1/2024, 10:03", "Tom", f"{'=' * 40}\ne"),
    )
    assert texts(text) == [["a", f"b\n{rule}\nc", "d", f"{'=' * 40}\ne"]]


def test_empty_lines_divide_where_few_messages_have_one_above():
    one = "10:00 Nina: a\n10:01 Tom: b\n"
    two = "10:02 Nina: c\n10:03 Tom: d\n"
    assert texts(f"{one}\n{two}") == [["a", "b"], ["c", "d"]]
    assert texts(one + two) == [["a", "b", "c", "d"]]
    assert texts(f"{one}{two}".replace("\n", "\n\n")) == [["a", "b", "c", "d"]]


def test_an_answer_first_and_a_question_last_are_errors_as_in_dialogues():
    text = chat(
        ("1/1/2024, 10:00", "Tom", "hello"),
        ("1/1/2024, 10:00", "Nina", "a"),
        ("1/1/2024, 10:01", "Tom", "b"),
        ("2/1/2024, 10:00", "Nina", "c"),
        ("2/1/2024, 10:01", "Tom", "d"),
        ("2/1/2024, 10:02", "Nina", "thanks"),
        ("3/1/2024, 10:00", "Nina", "e"),
        ("3/1/2024, 10:01", "Tom", "f"),
    )
    assert errors(text) == [(1, "assistant"), (6, "user")]


def test_a_question_that_nobody_answers_is_not_joined_with_that_of_another_day():
    text = chat(
        ("1/1/2024, 10:00", "Nina", "a"),
        ("2/1/2024, 10:00", "Nina", "b"),
        ("2/1/2024, 10:01", "Tom", "c"),
    )
    assert errors(text) == [(1, "user")]


def test_a_chat_without_a_word_is_an_error():
    text = chat(*[("1/1/2024, 10:00", name, "<Media omitted>") for name in ("Nina", "Tom", "Nina")])
    warning, error = faults_of(items_of(text, ROLES))
    assert (warning.kind, error.seen) == ("media", "none")
