"""What is said once of a file, with its share and the first row that shows it."""

from typing import Any

import pytest

from tests.data.reading.lines import faults, warnings


def chat(question: str, answer: str) -> dict[str, Any]:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": said}


PLAIN = chat("头晕怎么办？", "先量血压。")


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        (chat("问：头晕？", "量血压。"), "196 of 200 questions begin with '问：', which was kept"),
        (chat("头晕？", "答：量血压。"), "196 of 200 answers begin with '答：', which was kept"),
        (
            chat("头晕？", "小助手: 量血压。"),
            "196 of 200 answers begin with '小助手:', which was kept",
        ),
        (
            {"question": "头晕？", "answer": "健康顾问：量血压"},
            "196 of 200 answers begin with '健康顾问：'",
        ),
    ],
)
def test_a_label_before_most_texts_is_said_with_its_share(row: dict[str, Any], seen: str):
    [warning] = warnings(*[PLAIN] * 4, *[row] * 196)
    assert warning.startswith(seen)


@pytest.mark.parametrize(
    "row",
    [
        chat("翻译：头晕", "dizzy"),
        chat("https://example.com", "https://example.com"),
        chat("10:30?", "10:30."),
        PLAIN,
    ],
)
def test_what_is_no_label_is_not_spoken_of(row: dict[str, Any]):
    assert warnings(*[row] * 10) == []


def test_a_label_before_few_texts_is_not_spoken_of():
    assert warnings(*[PLAIN] * 10, *[chat("头晕？", "答：量血压。")] * 5) == []


def test_nul_characters_are_counted():
    rows = [PLAIN, chat("a\0?", "b\0"), chat("a?", "c\0")]
    [fault] = faults(*rows)
    shown = "U+0000 in 2 of 3 answers and 1 of 3 questions"
    assert fault.startswith(f"a.jsonl:2: control characters: {shown}")


def test_tabs_and_line_ends_are_no_control_characters():
    assert warnings(chat("a\tb?\r\nc", "d\n\ne")) == []
