"""Excel's workbooks: sheets with a header, merged cells filled down, formulas without values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from data.errors import Fault
from data.reading.faulty import Read
from data.reading.listing import first_of
from data.reading.proposals import propose
from data.reading.rows import Columns
from data.reading.shapes import find_shape
from data.wording import N_, _

from .formulas import find_unsaved
from .table import Line, can_number, cells_of, find_header, read_table

NUM_NAMED = 5
COMPUTE = N_("its value; open the workbook in Excel or LibreOffice and save it there")


def read_xlsx(file: BinaryIO, source: str, columns: Columns) -> Iterator[Read]:
    """Every sheet that holds something; each has a header of its own. One without is passed over
    where another has one."""
    from python_calamine import CalamineError

    try:
        sheets = _load(file, source, columns)
    except CalamineError as error:
        yield Fault(source, 1, _("file"), str(error), _("an Excel workbook (.xlsx)"))
        return
    if not sheets:
        yield Fault(source, 1, _("rows"), _("none"), _("at least one row"))
    is_headed = any(sheet.is_headed for sheet in sheets)
    for sheet in sheets:
        if is_headed and sheet.is_aside:
            yield sheet.passed_over()
        else:
            yield from sheet.read()


def _load(file: BinaryIO, source: str, columns: Columns) -> list["_Sheet"]:
    """Those that hold something."""
    from python_calamine import load_workbook

    workbook = load_workbook(file)
    unsaved = find_unsaved(file)
    sheets: list[_Sheet] = []
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        rows = [list(map(_show_cell, row)) for row in sheet.to_python(skip_empty_area=False)]
        if any(map(any, rows)):
            merged = sheet.merged_cell_ranges or []
            sheets.append(_Sheet(name, rows, columns, merged, unsaved.get(name, {})))
    for sheet in sheets:
        sheet.source = source if len(sheets) == 1 else f"{source}[{sheet.name}]"
    return sheets


@dataclass(slots=True)
class _Sheet:
    """Its cells, and what a file has of them besides their values."""

    name: str
    rows: list[list[str]]
    columns: Columns
    merged: Sequence[tuple[tuple[int, int], tuple[int, int]]]  # first and last row and column
    unsaved: dict[tuple[int, int], str]  # formulas by row and column, from 0
    source: str = ""
    lines: list[Line] = field(default_factory=list[Line])
    header: int | None = None  # among the lines

    def __post_init__(self) -> None:
        self.lines = [(line, row) for line, row in enumerate(self.rows, start=1) if any(row)]
        self.header = find_header(self.lines, self.columns)

    @property
    def is_headed(self) -> bool:
        return self.header is not None or can_number(self.lines, self.columns)

    @property
    def is_aside(self) -> bool:
        """No header, and nothing in it that looks like questions and answers."""
        numbered = [dict(zip(map(str, range(len(row))), row, strict=True)) for row in self.rows]
        return not self.is_headed and propose(numbered) is None

    def passed_over(self) -> Fault:
        line, cells = self.lines[0]
        first = " ".join(filter(None, cells))[:60]
        seen = _("a sheet without a header, passed over; its first row is {shown!r}")
        expected = _("the names of the columns in its first row, if it holds questions and answers")
        where = self.source, line, _("sheet")
        return Fault(*where, seen.format(shown=first), expected, "warning", N_("sheet"))

    def read(self) -> Iterator[Read]:
        if filled := self._fill_down():
            shown = first_of(filled, len(filled), NUM_NAMED)
            seen = _("merged cells, taken for each of their rows: {shown}").format(shown=shown)
            expected = _("a cell for each row, if that is wrong")
            where = self.source, self._header_line or 1, _("cells")
            yield Fault(*where, seen, expected, "warning", N_("merged"))
        yield from read_table(map(self._computed, self.lines), self.source, self.columns)

    @property
    def _header_line(self) -> int:
        """The header's line, from 1; 0 where there is none."""
        return 0 if self.header is None else self.lines[self.header][0]

    def _is_used(self, column: int) -> bool:
        """Whether training uses it, by its name."""
        if self.header is None:
            return str(column + 1) in self.columns.values()
        names = cells_of(self.lines[self.header])
        shape = None if self.columns else find_shape(names)
        used = {*self.columns.values()} if shape is None else shape.keys
        return column < len(names) and (names[column] in used or names[column].lower() in used)

    def _fill_down(self) -> list[str]:
        """The value of merged cells into each row that they span; those that matter, by place."""
        filled: list[str] = []
        for (top, column), (bottom, _last) in self.merged:
            if bottom <= top or top < self._header_line:
                continue
            value = self.rows[top][column]
            for row in self.rows[top + 1 : bottom + 1]:
                row[column] = value
            if value and self._is_used(column):
                filled.append(f"{_place(top, column)}:{_place(bottom, column)}")
        return filled

    def _computed(self, line: Line) -> Line | Fault:
        """The line; a fault where a cell that training uses is a formula that nobody computed."""
        number, cells = line
        for column in range(len(cells)):
            formula = self.unsaved.get((number - 1, column))
            if formula is not None and not cells[column] and self._is_used(column):
                seen = _("a formula without a saved value in {place}: ={formula}").format(
                    place=_place(number - 1, column), formula=formula
                )
                where, kind = (self.source, number, _("cell")), N_("formula")
                return Fault(*where, seen, _(COMPUTE), kind=kind, is_of_one=True)
        return line


def _place(row: int, column: int) -> str:
    """B7, of row 6 and column 1."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row + 1}"


def _show_cell(value: Any) -> str:
    """Excel keeps whole numbers as floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
