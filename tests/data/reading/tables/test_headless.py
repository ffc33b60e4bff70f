"""Tables whose first row is no header."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.conversation import Conversation
from data.errors import Fault
from data.reading.tables import read_csv
from data.reading.tables.headless import looks_like_data
from tests.data.reading.items import conversations_of, faults_of, settled

NO_HEADER = (
    "How do I oil the chain?,One drop per link.\nIs rust bad?,Yes.\nCan I wash it?,Gently.\n"
)
LABELLED = """\
内科,1,7,胃胀怎么办？,少食多餐。
内科,0,7,胃胀怎么办？,换副眼镜。
皮肤科,1,8,起痘怎么办？,清淡饮食。
"""
BY_NUMBER = {"question": "1", "answer": "2"}


def read(text: str, columns: dict[str, str] | None = None) -> list[Conversation | Fault]:
    return settled(read_csv(io.StringIO(text), "a.csv", columns or {}))


def pairs(text: str, columns: dict[str, str]) -> list[tuple[str, str]]:
    read_ = conversations_of(read(text, columns))
    return [(each.messages[0].content, each.messages[1].content) for each in read_]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_missing_header_is_noticed_and_the_way_to_read_it_told(delimiter: str):
    [fault] = faults_of(read(NO_HEADER.replace(",", delimiter)))
    assert (fault.line, fault.field, fault.severity) == (1, "header", "error")
    assert fault.seen.startswith("no header, it seems: the first row is 'How do I oil the chain?'")
    assert "--map question=1,answer=2, which counts the columns" in fault.expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_go_by_number_and_no_row_is_lost(delimiter: str):
    assert pairs(NO_HEADER.replace(",", delimiter), BY_NUMBER) == [
        ("How do I oil the chain?", "One drop per link."),
        ("Is rust bad?", "Yes."),
        ("Can I wash it?", "Gently."),
    ]


def test_wrong_answers_are_left_out_by_their_mark():
    [fault] = faults_of(read(LABELLED))
    assert "--map question=4,answer=5,keep=2," in fault.expected
    read_ = read(LABELLED, {"question": "4", "answer": "5", "keep": "2"})
    answers = [each.messages[1].content for each in read_ if isinstance(each, Conversation)]
    assert answers == ["少食多餐。", "清淡饮食。"]
    [left_out] = faults_of(read_)
    assert (left_out.severity, left_out.seen) == (
        "warning",
        "not named, and so left out: the keys '1', '3'",
    )


def test_a_mark_goes_by_its_name_where_there_is_a_header():
    text = "q,label,a\nWhy?,1,So.\nWhy?,0,Not so.\n"
    assert pairs(text, {"question": "q", "answer": "a", "keep": "label"}) == [("Why?", "So.")]


def test_where_nothing_shows_which_is_which_no_columns_are_proposed():
    [fault] = faults_of(read("1,a b,c d\n2,e f,g h\n"))
    assert "no header, it seems" in fault.seen
    assert "--map question=NUMBER,answer=NUMBER" in fault.expected


def test_a_header_by_numbers_is_left_out_and_said():
    items = read(
        "Datum,Frage,Antwort\n2024-01-01,Wie?,So.\n2024-01-02,Warum?,Darum.\n",
        {"question": "2", "answer": "3"},
    )
    assert [each.line for each in items if isinstance(each, Conversation)] == [2, 3]
    title, unnamed = faults_of(items)
    assert (title.kind, title.seen) == (
        "title row",
        "a row above it, left out: 'Datum Frage Antwort'",
    )
    assert unnamed.field == "--map"


def test_numbers_that_are_names_are_names():
    assert pairs("1,2\na,b\n", BY_NUMBER) == [("a", "b")]


def test_a_number_beyond_the_columns_is_a_fault():
    [fault] = faults_of(read(NO_HEADER, {"question": "1", "answer": "3"}))
    assert "the columns '1', '3', as --map says" in fault.expected


@pytest.mark.parametrize(
    ("first", "below"),
    [
        (["7", "Why?"], [["8", "How?"]]),
        (["内科", "a"], [["内科", "b"]]),
        (["Why is it so?", "b"], [["c", "d"]]),
        (["2024-01-01", "a"], [["2024-01-02", "b"]]),
        (["a@example.com", "a"], [["b@example.com", "b"]]),
        (["x" * 60, "a"], [["y", "b"]]),
    ],
)
def test_a_row_like_those_below_is_data(first: list[str], below: list[list[str]]):
    assert looks_like_data(first, below * 3) is True


@pytest.mark.parametrize(
    ("first", "below"),
    [
        (["Nr", "What is your question?"], [["1", "Why?"], ["2", "How?"]]),
        (["Zeit", "a"], [["10:15", "b"]]),
        (["mail", "a"], [["b@example.com", "b"]]),
    ],
)
def test_a_word_above_numbers_and_addresses_is_a_header(first: list[str], below: list[list[str]]):
    assert looks_like_data(first, below) is False


def test_words_above_words_show_nothing():
    assert looks_like_data(["Frage", "Antwort"], [["Hund", "dog"]]) is None
    assert looks_like_data(["Frage"], []) is None
    assert looks_like_data([], [["a"]]) is None


TEXTS = st.text("abcdefgh ", min_size=1, max_size=9).map(str.strip).filter(bool)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6, unique=True))
def test_no_row_is_lost_where_columns_go_by_number(rows: list[tuple[str, str]]):
    text = "".join(f"{question}?,{answer}.\n" for question, answer in rows)
    assert pairs(text, BY_NUMBER) == [(f"{question}?", f"{answer}.") for question, answer in rows]
