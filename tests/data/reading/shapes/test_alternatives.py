"""Rows of several questions or answers: one conversation each."""

from typing import Any

import pytest

from tests.data.reading.lines import Turn, all_turns, faults, warnings


def exchange(question: str, answer: str) -> list[Turn]:
    return [("user", question), ("assistant", answer)]


@pytest.mark.parametrize(
    ("questions", "answers", "expected"),
    [
        (["a", "b"], ["x"], ["ax", "bx"]),
        ([["a", "b"]], ["x"], ["ax", "bx"]),
        ([["a"], ["b"]], ["x"], ["ax", "bx"]),
        (["a", "b"], ["x", "y"], ["ax", "by"]),
        ([["a", "b"], ["c"]], ["x", "y"], ["ax", "bx", "cy"]),
        ("a", ["x", "y"], ["ax", "ay"]),
        (["a", "b"], "x", ["ax", "bx"]),
        ('["a", "b"]', '["x"]', ["ax", "bx"]),
    ],
)
def test_each_question_has_its_answer_or_all_of_them_the_only_one(
    questions: Any, answers: Any, expected: list[str]
):
    read = all_turns({"questions": questions, "answers": answers})
    assert read == [exchange(*pair) for pair in expected]


def test_answers_of_one_question_are_each_a_conversation():
    read = all_turns({"question": "a", "answers": ["x", "y"]})
    assert read == [exchange("a", "x"), exchange("a", "y")]


def test_questions_and_answers_that_do_not_fit_are_a_fault():
    [fault] = faults({"questions": ["a", "b", "c"], "answers": ["x", "y"]})
    assert "3 questions, 2 answers; expected as many of both" in fault


def test_answers_with_their_places_are_those_of_one_question():
    row = {
        "id": "1",
        "title": "Shop",
        "context": "It opened in 1998.",
        "question": "When?",
        "answers": {"text": ["1998", "1998", "in 1998"], "answer_start": [13, 13, 10]},
    }
    asked = "When?\nIt opened in 1998."
    assert all_turns(row) == [exchange(asked, "1998"), exchange(asked, "in 1998")]
    assert len(warnings(row)) == 1  # the title


def test_a_question_without_an_answer_is_a_fault():
    row = {"context": "c", "question": "a", "answers": {"text": [], "answer_start": []}}
    assert "answers: {" in faults(row)[0]


def test_paragraphs_hold_questions():
    paragraph = {
        "context": "c",
        "qas": [
            {"question": "a", "id": 1, "answers": [{"text": "x", "answer_start": 0}]},
            {"question": "b", "id": 2, "answers": [{"text": "y", "answer_start": 0}]},
        ],
    }
    expected = [exchange("a\nc", "x"), exchange("b\nc", "y")]
    assert all_turns(paragraph) == expected
    assert all_turns({"title": "t", "paragraphs": [paragraph, paragraph]}) == expected * 2


def test_patterns_and_responses_are_paired_in_turn():
    row = {"tag": "t", "patterns": ["a", "b", "c"], "responses": ["x", "y"], "context": [""]}
    assert all_turns(row) == [exchange(*pair) for pair in ("ax", "by", "cx")]
    assert warnings(row) == []
