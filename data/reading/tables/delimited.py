"""Tables as text: divided by commas, semicolons or tabs, with quotes as spreadsheets write them."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

from data.errors import Fault
from data.reading.faulty import Read
from data.reading.rows import Columns
from data.wording import N_, _

from .table import HEADER_ROWS, Line, is_header, read_table

QUOTED = N_(
    "cells quoted with matching double quotes, and a quote within them written twice; reading goes "
    "on with the next line, so a fault there may be of this row"
)
MOST_CELL = 1 << 30  # [characters]; csv's own limit is 131,072
DELIMITERS = ",;\t"


def read_csv(file: TextIO, source: str, columns: Columns, delimiter: str = ",") -> Iterator[Read]:
    """A header of field names, then a conversation a row. Where the header is not divided as the
    suffix says, it is by commas, by semicolons, as European Excel does, or by tabs."""
    head = list(islice(file, HEADER_ROWS))
    found = _find_delimiter(head, delimiter, columns)
    yield from read_table(_cells(chain(head, file), source, found), source, columns)


def _find_delimiter(head: Sequence[str], usual: str, columns: Columns) -> str:
    """What divides a line into a header; or else all lines into as many cells; or else whatever
    divides the first line that is."""
    delimiters = (usual, *DELIMITERS)
    for line in head:
        for each in delimiters:
            if is_header((1, line.replace('"', "").split(each)), columns):
                return each
    for each in delimiters:
        widths = {len(cells) for cells in csv.reader(head, delimiter=each) if any(cells)}
        if len(widths) == 1 and widths != {1}:
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
            yield Fault(source, remaining.number, _("row"), seen, _(QUOTED), is_of_one=True)
            remaining.refuse()
