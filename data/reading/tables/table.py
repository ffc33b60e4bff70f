"""Rows of cells to rows of fields, by a header that names the columns or by their numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from data.errors import Fault
from data.reading.dialogues.dialogue import build_conversations
from data.reading.exports.wechat import is_wechat, read_wechat
from data.reading.faulty import Read
from data.reading.proposals import SAMPLE, accepted, propose
from data.reading.rows import Columns, Numbered, read_rows
from data.reading.shapes import find_shape, show_keys
from data.wording import N_, _

from .headless import looks_like_data

Line = tuple[int, Sequence[str]]  # of cells, with its number

HEADER_ROWS = 5  # that are looked at: a title may stand above the header
NAMELESS = re.compile(r"(?:Unnamed: \d+)?")  # as pandas writes, and reads, the header of its index


def read_table(lines: Iterable[Line | Fault], source: str, columns: Columns) -> Iterator[Read]:
    """Lines of cells: the header first, or below a title; or none, and `columns` by number."""
    remaining = iter(lines)
    head = list(islice(remaining, SAMPLE))
    at = find_header(head, columns)
    if at is not None:
        yield from _leave_out(head[:at], source, _("the names of the columns in the first row"))
        names, begin = cells_of(head[at]), at + 1
    elif names := _number(head, columns):
        begin = _begin(head)
        expected = _("rows alone, where columns go by number")
        yield from _leave_out(head[:begin], source, expected)
    else:
        yield from _refuse_header(head, source, columns)
        return
    if not columns and is_wechat(names):
        export = read_wechat(names, chain(head[begin:], remaining), source)
        yield from export.faults
        yield from build_conversations(export.conversations, source)
        return
    rows = _Rows(names, source)
    yield from read_rows(rows.read(chain(head[begin:], remaining)), source, columns)
    yield from rows.nameless()


def find_header(head: Sequence[Line | Fault], columns: Columns) -> int | None:
    """Where in the lines it is, if it is among the first."""
    return next(
        (at for at, each in enumerate(head[:HEADER_ROWS]) if is_header(each, columns)), None
    )


def is_header(line: Line | Fault, columns: Columns) -> bool:
    named = [name for name in cells_of(line) if name]
    if len({*named}) < len(named):
        return False
    if columns:
        return {*columns.values()} <= {*named}
    return is_wechat(named) or find_shape(named) is not None


def cells_of(line: Line | Fault) -> list[str]:
    return [] if isinstance(line, Fault) else [cell.strip() for cell in line[1]]


def can_number(head: Sequence[Line | Fault], columns: Columns) -> bool:
    """Whether the columns that the user has named are numbers of columns."""
    return bool(_number(head, columns))


def _number(head: Sequence[Line | Fault], columns: Columns) -> list[str]:
    """1, 2, … for each column, where the user names all by such numbers."""
    widths = Counter(len(each[1]) for each in head if not isinstance(each, Fault))
    width = widths.most_common(1)[0][0] if widths else 0
    numbers = [str(number + 1) for number in range(width)]
    return numbers if columns and {*columns.values()} <= {*numbers} else []


def _begin(head: Sequence[Line | Fault]) -> int:
    """The row to begin with: the one behind the first, where that can only be a header."""
    first, *below = map(cells_of, head)
    return int(looks_like_data(first, [each for each in below if each]) is False)


def _leave_out(head: Sequence[Line | Fault], source: str, expected: str) -> Iterator[Fault]:
    """What stands above the rows, or above their header."""
    yield from (each for each in head if isinstance(each, Fault))
    titles = [each for each in head if not isinstance(each, Fault)]
    if titles:
        shown = ", ".join(repr(" ".join(filter(None, cells_of(each)))[:60]) for each in titles)
        one, several = (
            N_("a row above it, left out: {shown}"),
            N_("{count} rows above it, left out: {shown}"),
        )
        seen = _(one if len(titles) == 1 else several).format(count=len(titles), shown=shown)
        yield Fault(source, titles[0][0], _("header"), seen, expected, "warning", N_("title row"))


def _refuse_header(head: Sequence[Line | Fault], source: str, columns: Columns) -> Iterator[Fault]:
    """Refuse the first row that may be meant as a header; a title has a single cell."""
    faults = [each for each in head[:HEADER_ROWS] if isinstance(each, Fault)]
    if faults:
        yield from faults
        return
    rows = [each for each in head if not isinstance(each, Fault)]
    divided = (at for at, each in enumerate(rows) if len([*filter(None, cells_of(each))]) > 1)
    at = next(divided, 0)
    number = rows[at][0] if rows else 1
    yield Fault(
        source, number, _("header"), *_explain([cells_of(each) for each in rows[at:]], columns)
    )


def _explain(rows: Sequence[Sequence[str]], columns: Columns) -> tuple[str, str]:
    """What is seen and what is expected of a table whose first row is no header that we know."""
    cells, below = (rows[0], rows[1:]) if rows else ([], [])
    named = [name for name in cells if name]
    if columns:
        wanted = ", ".join(map(repr, columns.values()))
        return show_keys(named), _("the columns {names}, as --map says").format(names=wanted)
    if looks_like_data(cells, below):
        shown = ", ".join(repr(each[:40]) for each in named)
        seen = _("no header, it seems: the first row is {shown}").format(shown=shown)
        return seen, _without_header(rows)
    if len({*named}) < len(named):
        return show_keys(named), _("every name once")
    sample = [dict(zip(cells, each, strict=False)) for each in below or [[""] * len(cells)]]
    expected = _("in one of the first {count} rows {accepted}")
    return show_keys(named), expected.format(count=HEADER_ROWS, accepted=accepted(sample))


def _without_header(rows: Sequence[Sequence[str]]) -> str:
    """How to read a table that has none."""
    numbered: list[Mapping[str, Any]] = [
        {str(number): cell for number, cell in enumerate(row, start=1)} for row in rows
    ]
    proposal = propose(numbered) or _("question=NUMBER,answer=NUMBER")
    return _(
        "a first row that names the columns, such as question and answer; or --map {proposal}, "
        "which counts the columns and reads the first row as well"
    ).format(proposal=proposal)


@dataclass(slots=True)
class _Nameless:
    """A column without a name: what stands in it, unless that is the rows' numbers."""

    num_filled: int = 0
    first: tuple[int, str] = (1, "")  # line and cell
    is_count: bool = True
    last: int = -1

    def note(self, line: int, cell: str) -> None:
        if not cell:
            return
        if not self.num_filled:
            self.first = line, cell
        self.num_filled += 1
        self.is_count = self.is_count and cell.isdecimal() and int(cell) > self.last
        self.last = int(cell) if self.is_count else self.last


@dataclass(slots=True)
class _Rows:
    """Cells by the names of their columns."""

    names: Sequence[str]
    source: str
    unnamed: dict[int, _Nameless] = field(init=False)
    named: list[int] = field(init=False)

    def __post_init__(self) -> None:
        numbers = range(len(self.names))
        self.named = [at for at in numbers if not NAMELESS.fullmatch(self.names[at])]
        self.unnamed = {at: _Nameless() for at in numbers if at not in self.named}

    def read(self, lines: Iterable[Line | Fault]) -> Iterator[Numbered | Fault]:
        width, pairs = len(self.names), [(at, self.names[at]) for at in self.named]
        for each in lines:
            if isinstance(each, Fault):
                yield each
                continue
            line, cells = each
            if len(cells) != width and (len(cells) < width or any(cells[width:])):
                seen = _("{count} cells").format(count=len(cells))
                expected = _("{count} cells as in the header").format(count=width)
                yield Fault(self.source, line, _("row"), seen, expected, is_of_one=True)
                continue
            for at, column in self.unnamed.items():
                column.note(line, cells[at].strip())
            yield line, {name: cells[at] for at, name in pairs}

    def nameless(self) -> Iterator[Fault]:
        """A warning for each column that has no name and is no count of the rows."""
        for column in self.unnamed.values():
            if column.num_filled and not column.is_count:
                line, cell = column.first
                seen = _("{count} cells without a name above them, such as {shown!r}").format(
                    count=column.num_filled, shown=cell[:40]
                )
                expected = _("a name for their column in the header; they are left out")
                where, kind = (self.source, line, _("header")), N_("no name")
                yield Fault(*where, seen, expected, "warning", kind)
