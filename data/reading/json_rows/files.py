"""JSON lines and JSON documents, whichever of them a file holds and whatever it is called."""

import io
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TextIO

from data.errors import Fault
from data.reading.faulty import Read
from data.reading.rows import Columns, Numbered, read_rows
from data.reading.shapes import is_turns
from data.wording import N_, _

from .documents import rows_of
from .mistaken import explain, mistaken_for
from .places import BROKEN, decode, each_value, whole

ROWS = N_("a JSON list of objects in a file of its own, or one object a line")
BRACKETS = ("[", "{", "[{")  # lines that are no rows


def read_jsonl(file: TextIO, source: str, columns: Columns) -> Iterator[Read]:
    """One row a line, of which one is in memory at a time; or a document that is called so."""
    num_blank, first = 0, file.readline()
    while first and not first.strip():
        num_blank, first = num_blank + 1, file.readline()
    if _begins_document(first) or mistaken_for(first):
        yield from _read_text("\n" * num_blank + first + file.read(), source, columns)
    else:
        lines = enumerate(chain([first], file), start=num_blank + 1)
        yield from read_rows(_rows_of_lines(lines, source), source, columns)


def read_json(file: TextIO, source: str, columns: Columns) -> Iterator[Read]:
    """A list of rows, or what else `rows_of` finds; or values one behind the other."""
    yield from _read_text(file.read(), source, columns)


def _read_text(text: str, source: str, columns: Columns) -> Iterator[Read]:
    if mistaken := mistaken_for(text):
        yield Fault(source, 1, _("file"), *mistaken)
        return
    try:
        value = decode(text)
    except BROKEN:
        yield from read_rows(_rows_of_several(text, source), source, columns)
        return
    document = rows_of(value, text, columns)
    if isinstance(document, str):
        yield Fault(source, 1, "json", document, _(ROWS))
        return
    if document.left_out:
        expected, kind = _("rows alone; what stands beside them is left out"), N_("unused field")
        yield Fault(source, 1, "json", document.left_out, expected, "warning", kind)
    rows = [whole(*row, source) for row in document.rows]
    yield from read_rows(rows, source, columns)


def _begins_document(line: str) -> bool:
    """Whether a value goes on below its line, or is the list of rows itself."""
    try:
        value = decode(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line.rstrip(" \t\r\n,"))
    except BROKEN:
        return False
    return isinstance(value, list) and not is_turns(value)


def _rows_of_several(text: str, source: str) -> Iterable[Numbered | Fault]:
    """The rows of a text that is not one value."""
    if _are_lines(text):
        return _rows_of_lines(enumerate(io.StringIO(text), start=1), source)
    try:
        values = [*each_value(text)]
    except BROKEN as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        return [Fault(source, line, "json", explain(error), _(ROWS))]
    lists = [line for line, value in values if isinstance(value, list) and not is_turns(value)]
    if lists:
        seen = _("{count} lists in one file").format(count=len(lists))
        return [Fault(source, lists[-1], "json", seen, _(ROWS))]
    return [whole(*value, source) for value in values]


def _are_lines(text: str) -> bool:
    """Whether each line is a row, by the first two: faults of the others, and of one of these, have
    places of their own."""
    filled = (line.strip() for line in io.StringIO(text) if line.strip())
    first, second = next(filled, ""), next(filled, "")
    return _is_row(first) or (first not in BRACKETS and _is_row(second))


def _is_row(line: str) -> bool:
    try:
        value = decode(line)
    except BROKEN:
        return False
    return isinstance(value, dict) or is_turns(value)


def _rows_of_lines(lines: Iterable[tuple[int, str]], source: str) -> Iterator[Numbered | Fault]:
    # Not splitlines: a JSON string may hold U+2028 and its like.
    for number, line in lines:
        if line.strip():
            try:
                value = decode(line)
                has_half = "\\u" in line and "\\ud" in line.lower()
                yield whole(number, value, source) if has_half else (number, value)
            except BROKEN as error:
                expected = _("one JSON object a line")
                yield Fault(source, number, "json", explain(error), expected, is_of_one=True)
