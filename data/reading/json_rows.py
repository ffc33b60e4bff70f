"""JSON lines and JSON lists, row by row."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from data.conversation import Item
from data.errors import Fault

from .rows import Columns, Numbered, read_rows
from .shapes import find_shape, show_keys

GAP = re.compile(r"[\s,:]*")
ONE_A_LINE = "one JSON object a line (a list belongs in a .json file)"
A_LIST = "a JSON list of objects in a file of its own, or one object a line"


def read_jsonl(file: TextIO, source: str, columns: Columns) -> Iterator[Item]:
    """One JSON object a line, of which one is in memory at a time."""
    return read_rows(_lines(file, source), source, columns)


def read_json(file: TextIO, source: str, columns: Columns) -> Iterator[Item]:
    """A JSON list of objects, alone or as the one list of an object; or JSON lines."""
    text = file.read()
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        if _is_lines(text):
            yield from read_jsonl(io.StringIO(text), source, columns)
            return
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        yield Fault(source, line, "json", str(error), A_LIST)
        return
    yield from _read_value(value, text, source, columns)


def _read_value(value: Any, text: str, source: str, columns: Columns) -> Iterator[Item]:
    if isinstance(value, dict) and not _is_row(value, columns):
        lists = [key for key in value if _is_list_of_objects(value[key])]
        if len(lists) != 1:
            yield Fault(source, 1, "json", _show_lists(value, lists), A_LIST)
            return
        others = [key for key in value if key not in lists]
        if others:
            seen = f"{show_keys(others)} beside the rows of {lists[0]!r}"
            expected = "rows alone; what stands beside them is left out"
            yield Fault(source, 1, "json", seen, expected, "warning", "unused field")
        rows = _items(text, _find_value(text, lists[0]) + 1, value[lists[0]])
    elif isinstance(value, list):
        rows = _items(text, text.index("[") + 1, value)
    else:
        rows = iter([(1, value)])
    yield from read_rows([_whole(*numbered, source) for numbered in rows], source, columns)


def _is_lines(text: str) -> bool:
    """By the first line: faults of the others have places of their own."""
    first = text.lstrip().partition("\n")[0]
    try:
        return isinstance(DECODER.decode(first), dict)
    except (ValueError, RecursionError):
        return False


def _is_row(fields: dict[str, Any], columns: Columns) -> bool:
    is_mapped = bool(columns) and {*columns.values()} <= fields.keys()
    return is_mapped or find_shape(fields) is not None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _show_lists(fields: dict[str, Any], lists: list[str]) -> str:
    if not lists:
        return f"one object without a list of objects, which has {show_keys(fields)}"
    return f"{len(lists)} lists of objects: {', '.join(map(repr, lists))}"


def _find_value(text: str, wanted: str) -> int:
    """Where the value of a key of the outermost object begins."""
    position = text.index("{") + 1
    while True:
        key, position = DECODER.raw_decode(text, _skip(text, position))
        position = _skip(text, position)
        if key == wanted:
            return position
        _, position = DECODER.raw_decode(text, position)


def _items(text: str, position: int, rows: list[Any]) -> Iterator[Numbered]:
    line, end = 1, 0
    for _ in rows:
        position = _skip(text, position)
        line += text.count("\n", end, position)
        row, end = DECODER.raw_decode(text, position)
        yield line, row
        line += text.count("\n", position, end)
        position = end


def _skip(text: str, position: int) -> int:
    gap = GAP.match(text, position)
    return gap.end() if gap else position


def _lines(file: TextIO, source: str) -> Iterator[Numbered | Fault]:
    # Not splitlines: a JSON string may hold U+2028 and its like.
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                value = DECODER.decode(line)
                yield _whole(number, value, source) if "\\ud" in line.lower() else (number, value)
            except (ValueError, RecursionError) as error:
                yield Fault(source, number, "json", str(error), ONE_A_LINE)


def _whole(line: int, value: Any, source: str) -> Numbered | Fault:
    """The row; a fault where it holds half of a surrogate pair, as JSON can write."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Fault(source, line, "json", "half of a surrogate pair", "whole characters")
    return line, value


def _build_object(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(f"a key stands twice in one object, which has {show_keys(fields)}")
    return fields


DECODER = json.JSONDecoder(object_pairs_hook=_build_object)
