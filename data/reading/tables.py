"""Tables with a header of field names: as text, Excel's and Parquet's."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO, TextIO

from data.conversation import Item
from data.errors import Fault

from .dialogue import build_conversations
from .exports.wechat import is_wechat, read_wechat
from .rows import Columns, Numbered, read_rows
from .shapes import accepted, find_shape, show_keys

Line = tuple[int, Sequence[str]]  # of cells, with its number

HEADER_ROWS = 5  # that are looked at: a title may stand above the header
QUOTED = (
    "cells quoted with matching double quotes, and a quote within them written twice; reading goes "
    "on with the next line, so a fault there may be of this row"
)
MOST_CELL = 1 << 30  # [characters]; csv's own limit is 131,072


def read_csv(file: TextIO, source: str, columns: Columns, delimiter: str = ",") -> Iterator[Item]:
    """A header of field names, then a conversation a row. Where the header is not divided as the
    suffix says, it is by commas, by semicolons, as European Excel does, or by tabs."""
    head = list(islice(file, HEADER_ROWS))
    found = _find_delimiter(head, delimiter, columns)
    yield from read_table(_cells(chain(head, file), source, found), source, columns)


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


def read_table(lines: Iterable[Line | Fault], source: str, columns: Columns) -> Iterator[Item]:
    """Lines of cells: the header first, or below a title."""
    remaining = iter(lines)
    head = list(islice(remaining, HEADER_ROWS))
    at = next((at for at, each in enumerate(head) if _is_header(each, columns)), None)
    if at is None:
        yield from _refuse_header(head, source, columns)
        return
    yield from _leave_out(head[:at], source)
    names = _names(head[at])
    if not columns and is_wechat(names):
        export = read_wechat(names, chain(head[at + 1 :], remaining), source)
        yield from export.faults
        yield from build_conversations(export.conversations, source)
        return
    rows = _table_rows(chain(head[at + 1 :], remaining), names, source)
    yield from read_rows(rows, source, columns)


def _names(line: Line | Fault) -> list[str]:
    return [] if isinstance(line, Fault) else [name.strip() for name in line[1]]


def _is_header(line: Line | Fault, columns: Columns) -> bool:
    named = [name for name in _names(line) if name]
    if len({*named}) < len(named):
        return False
    if columns:
        return {*columns.values()} <= {*named}
    return is_wechat(named) or find_shape(named) is not None


def _leave_out(head: Sequence[Line | Fault], source: str) -> Iterator[Fault]:
    """What stands above the header."""
    yield from (each for each in head if isinstance(each, Fault))
    titles = [each for each in head if not isinstance(each, Fault)]
    if titles:
        shown = ", ".join(repr(" ".join(filter(None, _names(each)))[:60]) for each in titles)
        rows = "a row" if len(titles) == 1 else f"{len(titles)} rows"
        seen = f"{rows} above it, left out: {shown}"
        expected = "the names of the columns in the first row"
        yield Fault(source, titles[0][0], "header", seen, expected, "warning", "title row")


def _refuse_header(head: Sequence[Line | Fault], source: str, columns: Columns) -> Iterator[Fault]:
    """Of the first row that may be meant as one; a title has a single cell."""
    faults = [each for each in head if isinstance(each, Fault)]
    if faults:
        yield from faults
        return
    rows = [each for each in head if not isinstance(each, Fault)]
    divided = (each for each in rows if len([*filter(None, _names(each))]) > 1)
    shown = next(divided, rows[0] if rows else (1, ()))
    named = [name for name in _names(shown) if name]
    if columns:
        expected = f"the columns {', '.join(map(repr, columns.values()))}, as --map says"
    elif len({*named}) < len(named):
        expected = "every name once"
    else:
        expected = f"in one of the first {HEADER_ROWS} rows {accepted(named)}"
    yield Fault(source, shown[0], "header", show_keys(named), expected)


def _find_delimiter(head: Sequence[str], usual: str, columns: Columns) -> str:
    """What divides a line into a header; or else whatever divides the first line that is."""
    delimiters = (usual, *",;\t")
    for line in head:
        for each in delimiters:
            if _is_header((1, line.replace('"', "").split(each)), columns):
                return each
    return next((each for line in head for each in delimiters if each in line), usual)


class _Lines:
    """Lines as rows take them; of what is no row, all but the first line are given again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 1  # of the first of them

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line

    def accept(self) -> None:
        self.number += len(self.taken)
        self.taken.clear()

    def refuse(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        self.number += 1
        self.taken.clear()


def _cells(lines: Iterable[str], source: str, delimiter: str) -> Iterator[Line | Fault]:
    """The rows that hold any text, each with the line it begins on. A quote without its other may
    take in all the rows below it: so reading goes on with the next line, whatever that one took."""
    csv.field_size_limit(MOST_CELL)
    remaining = _Lines(lines)
    while True:
        try:
            for cells in csv.reader(remaining, delimiter=delimiter, strict=True):
                if any(cell.strip() for cell in cells):
                    yield remaining.number, cells
                remaining.accept()
            return
        except csv.Error as error:
            seen = f"{error}: {remaining.taken[0].strip()[:60]!r}"
            yield Fault(source, remaining.number, "row", seen, QUOTED)
            remaining.refuse()


def _table_rows(
    lines: Iterable[Line | Fault], names: list[str], source: str
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
