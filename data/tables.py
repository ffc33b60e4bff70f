"""Tables with a header of field names: as text, Excel's and Parquet's."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, TextIO

from .conversation import Item
from .errors import Fault
from .rows import Columns, Numbered, read_rows
from .shapes import accepted, find_shape, show_keys

MOST_CELL = 1 << 30  # [characters]; csv's own limit is 131,072


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
