r"""Line ends written out as \n: read where a file shows that they are meant, else kept and said."""

from typing import Any

import pytest

from tests.data.reading.lines import all_turns, warnings


def rows(*answers: str) -> list[dict[str, str]]:
    return [{"question": f"Question {n}?", "answer": each} for n, each in enumerate(answers)]


def answers(*given: str) -> list[str]:
    return [turns[-1][1] for turns in all_turns(*rows(*given))]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"First.\nSecond.", "First.\nSecond."),
        (r"先量血压。\n再休息。", "先量血压。\n再休息。"),
        (r"First.\r\nSecond.", "First.\nSecond."),
        (r"First.\n\n- Second\tthird", "First.\n\n- Second\tthird"),
        (r"First.\n", "First."),
        (r"Don't wait.\nIt's fine.", "Don't wait.\nIt's fine."),
        (r"A path: C:\new\table.\nSecond.", "A path: C:\\new\\table.\nSecond."),
        (r"A backslash: \\n.\nSecond.", "A backslash: \\n.\nSecond."),
    ],
)
def test_what_most_rows_write_out_is_read_as_line_ends(written: str, read: str):
    usual = [r"One.\nTwo."] * 3
    assert answers(*usual, written, "Short.") == ["One.\nTwo."] * 3 + [read, "Short."]


def test_how_many_were_read_is_said_once():
    given = rows(*[r"One.\nTwo."] * 4, "Short.")
    assert warnings(*given) == [r"\n, written out in 4 of 5 answers, was read as the end of a line"]


@pytest.mark.parametrize(
    "text",
    [
        'print("a\\n")',
        "Use ```printf 'a\\nb'```.",
        r"One.\nTwo.",
        r"Look into C:\new.",
        'for x in y: print(f"{x}\\n")',
    ],
)
def test_single_rows_keep_theirs_and_are_counted(text: str):
    given = rows(*["A line.\nAnother."] * 199, text)
    assert all_turns(*given)[-1][-1][1] == text
    [warning] = warnings(*given)
    assert warning.startswith(r"\n, written out in 1 of 200 answers, was kept as it is: ")


@pytest.mark.parametrize(
    "texts",
    [
        [r"$a \neq b$, \frac{1}{2}"] * 5,
        [r"\nabla f \times g"] * 5,
        [r"\d+\s\w"] * 5,
        [r"a \not b, \nu, \rho, \right) \newline"] * 5,
        ["No backslash."] * 5,
    ],
)
def test_formulas_and_patterns_are_not_spoken_of(texts: list[str]):
    assert answers(*texts) == texts
    assert warnings(*rows(*texts)) == []


def test_line_ends_beside_formulas_are_kept_and_counted():
    text = r"Half is \frac{1}{2}.\nThen add."
    assert answers(*[text] * 5) == [text] * 5
    assert "5 of 5 answers" in warnings(*rows(*[text] * 5))[0]


def test_programs_in_every_row_are_kept():
    text = 'print("first\\nsecond")'
    assert answers(*[text] * 5) == [text] * 5
    assert "5 of 5 answers" in warnings(*rows(*[text] * 5))[0]


def test_rows_with_line_ends_as_such_have_others_for_something_else():
    text = "One.\nTwo. A newline is \\n there."
    assert answers(*[text] * 5) == [text] * 5


@pytest.mark.parametrize("key", ["messages", "conversations"])
def test_they_are_read_in_every_shape(key: str):
    said = [{"role": "user", "content": r"a\nb"}, {"role": "assistant", "content": r"c\nd"}]
    row: dict[str, Any] = {key: said}
    assert all_turns(row, row, row)[0] == [("user", "a\nb"), ("assistant", "c\nd")]
    [warning] = warnings(row, row, row)
    assert "3 of 3 answers and 3 of 3 questions" in warning
