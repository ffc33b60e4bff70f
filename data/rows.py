"""Files of rows: JSON lines, JSON lists, tables as text, Excel's and Parquet's, row by row."""

import csv
import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO, TextIO

from .conversation import Item
from .errors import Fault
from .shapes import Row, accepted, find_shape, read_row, show_keys, unused

Numbered = tuple[int, Any]  # a row with the line it begins on
Columns = Mapping[str, str]  # what a field is called in the file

KEEP = "keep"  # the column in which a person decides about a draft
YES = ("yes", "y", "true", "1", "1.0", "是", "x", "✓")
NO = ("no", "n", "false", "0", "0.0", "否")

JSON_GAP = re.compile(r"[\s,]*")
JSON_LINES = "one JSON object a line"
JSON_LIST = "a JSON list of objects (one object a line belongs in a .jsonl file)"
MOST_CELL = 1 << 30  # [characters]; csv's own limit is 131,072


def read_jsonl(file: TextIO, source: str, columns: Columns) -> Iterator[Item]:
    """One JSON object a line, of which one is in memory at a time."""
    return read_rows(_json_lines(file, source), source, columns)


def read_json(file: TextIO, source: str, columns: Columns) -> Iterator[Item]:
    """A JSON list of objects."""
    try:
        rows = [_whole(*numbered, source) for numbered in _json_items(file.read())]
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        yield Fault(source, line, "json", str(error), JSON_LIST)
        return
    yield from read_rows(rows, source, columns)


def read_csv(file: TextIO, source: str, columns: Columns, delimiter: str = ",") -> Iterator[Item]:
    """A header of field names, then a conversation a row. Where the header has no comma, it is
    divided as European Excel does, by semicolons, or by tabs."""
    header = file.readline()
    if delimiter not in header:
        delimiter = next((each for each in ";\t" if each in header), delimiter)
    yield from read_table(_cells(chain([header], file), source, delimiter), source, columns)


def read_parquet(file: BinaryIO, source: str, columns: Columns) -> Iterator[Item]:
    """Rows are counted from 1: the file has no lines."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        batches = ParquetFile(file).iter_batches(batch_size=1024)
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from read_rows(enumerate(rows, start=1), source, columns)
    except (ArrowException, OSError, ValueError) as error:
        yield Fault(source, 1, "file", str(error).split("\n")[0], "a Parquet file")


def read_xlsx(file: BinaryIO, source: str, columns: Columns) -> Iterator[Item]:
    """Every sheet that holds something; each has a header of its own."""
    from python_calamine import CalamineError, load_workbook

    try:
        workbook = load_workbook(file)
        sheets = {name: workbook.get_sheet_by_name(name) for name in workbook.sheet_names}
        tables = {name: sheet.to_python(skip_empty_area=False) for name, sheet in sheets.items()}
    except CalamineError as error:
        yield Fault(source, 1, "file", str(error), "an Excel workbook (.xlsx)")
        return
    filled = {name: rows for name, rows in tables.items() if any(any(row) for row in rows)}
    if not filled:
        yield Fault(source, 1, "rows", "none", "at least one row")
    for name, rows in filled.items():
        at = source if len(filled) == 1 else f"{source}[{name}]"
        numbered = ((line, list(map(_show_cell, row))) for line, row in enumerate(rows, start=1))
        yield from read_table((row for row in numbered if any(row[1])), at, columns)


def read_table(
    lines: Iterable[tuple[int, Sequence[str]] | Fault], source: str, columns: Columns
) -> Iterator[Item]:
    """Lines of cells, the header first."""
    remaining = iter(lines)
    first = next(remaining, (1, ()))
    if isinstance(first, Fault):
        yield first
        return
    line, header = first
    names = [name.strip() for name in header]
    named = [name for name in names if name]
    wanted = set(columns.values()) - set(named)
    if wanted:
        expected = f"the columns {', '.join(map(repr, columns.values()))}, as --map says"
        yield Fault(source, line, "header", show_keys(names), expected)
        return
    if len(set(named)) < len(named) or (find_shape(named) is None and not columns):
        yield Fault(source, line, "header", show_keys(names), accepted(named))
        return
    yield from read_rows(_table_rows(remaining, names, source), source, columns)


def read_rows(rows: Iterable[Numbered | Fault], source: str, columns: Columns) -> Iterator[Item]:
    """Each row a conversation, or what is wrong with it."""
    is_empty, ignored, left_out = True, dict[str, int](), dict[str, list[int]]()
    for each in rows:
        is_empty = False
        if isinstance(each, Fault):
            yield each
            continue
        line, value = each
        row = Row(source, line)
        decision = _decision(value, row)
        if decision != "yes":
            left_out.setdefault(decision, []).append(line)
            yield from row.faults
            continue
        if columns and isinstance(value, dict):
            value = _renamed(value, columns, row)
        conversation = None if row.faults else read_row(value, row)
        if conversation is None:
            yield from row.faults
            continue
        yield conversation
        for key in unused(value):
            ignored.setdefault(key, line)
    if is_empty:
        yield Fault(source, 1, "rows", "none", "at least one row")
    if lines := left_out.get("undecided"):
        seen = f"{len(lines)} rows without a decision, which are left out"
        yield Fault(source, lines[0], KEEP, seen, "yes or no", "warning", "undecided")
    for key, line in ignored.items():
        expected = "what training uses; this field is left out"
        seen = "a field of no known use"
        yield Fault(source, line, key, seen, expected, "warning", "unused field")


def _decision(value: Any, row: Row) -> str:
    """What a person says of a draft: yes, no, undecided or, with a fault, neither."""
    fields = value if isinstance(value, dict) else {}
    key = next((key for key in fields if key.strip().lower() == KEEP), None)
    if key is None:
        return "yes"
    given = fields[key]
    word = "" if given is None else str(given).strip().lower()
    if word not in (*YES, *NO, ""):
        row.refuse(KEEP, repr(given), "yes or no")
    return "yes" if word in YES else "undecided" if not word else "no"


def _renamed(fields: Mapping[str, Any], columns: Columns, row: Row) -> Mapping[str, Any]:
    """The fields that the user has named, by their own names, and nothing else."""
    missing = [column for column in columns.values() if column not in fields]
    for column in missing:
        row.refuse(column, show_keys(fields), f"the column {column!r}, as --map says")
    return {name: fields[column] for name, column in columns.items() if column in fields}


def _json_lines(file: TextIO, source: str) -> Iterator[Numbered | Fault]:
    # Not splitlines: a JSON string may hold U+2028 and its like.
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                value = DECODER.decode(line)
                yield _whole(number, value, source) if "\\ud" in line.lower() else (number, value)
            except (ValueError, RecursionError) as error:
                yield Fault(source, number, "json", str(error), JSON_LINES)


def _whole(line: int, value: Any, source: str) -> Numbered | Fault:
    """The row; a fault where it holds half of a surrogate pair, as JSON can write."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Fault(source, line, "json", "half of a surrogate pair", "whole characters")
    return line, value


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(f"a key stands twice in one object, which has {show_keys(fields)}")
    return fields


DECODER = json.JSONDecoder(object_pairs_hook=_build_object)


def _json_items(text: str) -> Iterator[Numbered]:
    """The items of a JSON list, each with the line it begins on."""
    rows = DECODER.decode(text)
    if not isinstance(rows, list):
        raise ValueError(f"the file holds {reprlib.repr(rows)}")
    line, end = 1, 0
    position = text.index("[") + 1
    for _ in rows:
        gap = JSON_GAP.match(text, position)
        position = gap.end() if gap else position
        line += text.count("\n", end, position)
        row, end = DECODER.raw_decode(text, position)
        yield line, row
        line += text.count("\n", position, end)
        position = end


def _cells(
    lines: Iterable[str], source: str, delimiter: str
) -> Iterator[tuple[int, list[str]] | Fault]:
    """The rows that hold any text, each with the line it begins on."""
    csv.field_size_limit(MOST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        yield Fault(source, line, "row", str(error), "cells quoted with matching double quotes")


def _table_rows(
    lines: Iterable[tuple[int, Sequence[str]] | Fault], names: list[str], source: str
) -> Iterator[Numbered | Fault]:
    for each in lines:
        if isinstance(each, Fault):
            yield each
            continue
        line, cells = each
        if len(cells) == len(names):
            nameless = [cell for name, cell in zip(names, cells, strict=True) if cell and not name]
            if nameless:
                expected = "a name for its column in the header; this cell is left out"
                yield Fault(source, line, "row", repr(nameless[0]), expected, "warning", "no name")
            yield line, {name: cell for name, cell in zip(names, cells, strict=True) if name}
        else:
            expected = f"{len(names)} cells as in the header"
            yield Fault(source, line, "row", f"{len(cells)} cells", expected)


def _show_cell(value: Any) -> str:
    """Excel keeps whole numbers as floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
