"""JSON files: lines, documents, and what is neither."""

import io
import json
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from data.conversation import Item
from data.reading import json_rows
from data.reading.faulty import Read
from data.reading.rows import Columns
from tests.data.reading.items import conversations_of, faults_of, settled

Reader = Callable[[TextIO, str, Columns], Iterator[Read]]

ROW = '{"question": "a", "answer": "b"}'
OVER_LINES = json.dumps(json.loads(ROW), indent=2)
READERS = pytest.mark.parametrize("read", [json_rows.read_jsonl, json_rows.read_json])


def items(read: Reader, text: str) -> list[Item]:
    return settled(read(io.StringIO(text), "a.jsonl", {}))


@READERS
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"{ROW}\n{ROW}\n", [1, 2]),
        (f"\n\n{ROW}\n\n{ROW}", [3, 5]),
        (ROW, [1]),
        (f"[{ROW}, {ROW}]", [1, 1]),
        (f"[\n{ROW},\n{ROW}\n]", [2, 3]),
        (f"\n[{ROW},\n{ROW}]", [2, 3]),
        (f"{OVER_LINES}\n{OVER_LINES}\n", [1, 5]),
        (f"{OVER_LINES},\n{OVER_LINES}\n", [1, 5]),
        (f"{ROW},\n{ROW},\n", [1, 2]),
        ('["问：a", "答：b"]\n["问：a", "答：b"]\n', [1, 2]),
        ('{"rows": [\n' + ROW + "]}", [2]),
        (json.dumps([json.loads(ROW)] * 2, indent=1), [2, 6]),
    ],
)
def test_rows_are_read_with_their_lines_whatever_the_file_is_called(
    read: Reader, text: str, lines: list[int]
):
    conversations = conversations_of(items(read, text))
    assert [each.line for each in conversations] == lines
    assert {tuple(turn.content for turn in each.messages) for each in conversations} == {("a", "b")}


@READERS
@pytest.mark.parametrize(
    ("text", "line", "seen"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", 1, "Git LFS"),
        ("<!DOCTYPE html>\n<html><head></head>\n<body>Not found</body></html>", 1, "a web page"),
        ("\n<HTML>\n<body></body>\n</HTML>", 1, "a web page"),
        ('<?xml version="1.0"?>\n<Error>\n</Error>', 1, "a web page"),
        ("404: Not Found", 1, "a server's message"),
        ("Entry not found\n", 1, "a server's message"),
        (f"[{ROW}]\n[{ROW}]\n", 2, "2 lists in one file"),
        (f"[\n{ROW},\n{ROW},\n]", 4, "a comma behind the last of a list"),
        ('{\n"question": "a",\n"answer": "b",\n}', 4, "a comma behind the last of an object"),
        (f"[\n{ROW}, // first\n{ROW}]", 2, "a comment, which JSON does not have: '// first'"),
        ("[\n{'question': 'a', 'answer': 'b'}]", 2, "single quotes"),
        (f"{OVER_LINES}\n{OVER_LINES[:-3]}", 7, "Unterminated string"),
    ],
)
def test_one_cause_is_one_error_that_says_what_it_is(read: Reader, text: str, line: int, seen: str):
    [fault] = faults_of(items(read, text))
    assert (fault.line, fault.severity) == (line, "error")
    assert seen in fault.seen


def test_a_comment_above_a_list_is_one_error():
    [fault] = faults_of(items(json_rows.read_json, f"// all\n[{ROW}]"))
    assert fault.seen == "a comment, which JSON does not have: '// all'"


@READERS
def test_every_faulty_line_is_reported_by_its_number(read: Reader):
    found = items(read, f'{ROW}\n\n{{"a": 1}}\n{{broken\n{ROW}\n3')
    assert [fault.line for fault in faults_of(found)] == [3, 4, 6]
    assert len(found) == 5


@READERS
@pytest.mark.parametrize("broken", ["{broken", ROW[:-1], '{"question": "a", "ans'])
def test_a_first_line_that_is_broken_hides_no_other(read: Reader, broken: str):
    found = items(read, f"{broken}\n{ROW}\n{ROW}\n")
    assert [fault.line for fault in faults_of(found)] == [1]
    assert len(found) == 3


@READERS
def test_line_separators_inside_a_json_string_divide_no_line(read: Reader):
    row = json.dumps({"question": "a\u2028x", "answer": "b"}, ensure_ascii=False)
    [conversation] = conversations_of(items(read, row))
    assert conversation.messages[0].content == "a\u2028x"


@READERS
def test_a_key_that_stands_twice_is_a_fault(read: Reader):
    [fault] = faults_of(items(read, '{"question": "a", "answer": "b", "answer": "c"}'))
    assert "stands twice" in fault.seen
    assert "'question', 'answer'" in fault.seen


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[{"a": 1},\n broken]', 2),
        ('{"question": "a"}', 1),
        ("[]", 1),
        ("[" * 100_000, 1),
        ("3", 1),
    ],
)
@READERS
def test_what_is_no_list_of_rows_is_one_fault(read: Reader, text: str, line: int):
    assert [fault.line for fault in faults_of(items(read, text))] == [line]


def test_lines_are_read_one_by_one():
    def lines() -> Iterator[str]:
        yield from (f"{ROW}\n" for _ in range(2000))
        raise AssertionError("read to the end before the first row was given")

    class Lines(io.StringIO):
        def __init__(self) -> None:
            super().__init__()
            self._lines = lines()

        def readline(self, size: int | None = -1, /) -> str:
            return next(self._lines)

        def __next__(self) -> str:
            return next(self._lines)

    assert next(json_rows.read_jsonl(Lines(), "a.jsonl", {}))
