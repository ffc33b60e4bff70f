"""Word documents: paragraphs as lines of text, headings marked, tables as tables."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from data.errors import Fault, UnreadableFile
from data.reading.asking import is_asking
from data.reading.dialogues.faq import left_out
from data.reading.dialogues.headings import Line
from data.reading.dialogues.role_words import Roles
from data.reading.faulty import Read
from data.reading.tables.table import read_table
from data.reading.talk import read_talk
from data.wording import _

from .extra import needs
from .places import moved

HEADING = re.compile(r"(?:heading|标题|überschrift|titre|título|title)\s*(\d?)", re.IGNORECASE)
DAMAGES = (KeyError, ValueError, zipfile.BadZipFile, AttributeError, NotImplementedError, OSError)


@dataclass(slots=True)
class _Content:
    """A document's text, a line a paragraph, and its tables, a list of cells a row."""

    lines: list[str] = field(default_factory=list[str])
    paragraphs: list[int] = field(default_factory=list[int])  # that each line is of, from 1
    tables: list[list[list[str]]] = field(default_factory=list[list[list[str]]])

    def add_line(self, text: str, paragraph: int) -> None:
        for line in text.split("\n"):
            self.lines.append(line)
            self.paragraphs.append(paragraph)


def read_docx(
    file: BinaryIO, source: str, roles: Roles, columns: Mapping[str, str]
) -> Iterator[Read]:
    """Its tables, where it has some, each with a header; or else its text, as a `.txt` file's.
    Places are paragraphs, and rows of tables, counted from 1."""
    content = _load(file, source)
    tables = [table for table in content.tables if len(table) > 1 and len(table[0]) > 1]
    for number, table in enumerate(tables, start=1):
        at = source if len(tables) == 1 else f"{source}[table {number}]"
        yield from read_table(enumerate(table, start=1), at, columns)
    if tables:
        yield from left_out(_stray(content), source)
        return
    if not any(map(str.strip, content.lines)):
        expected = _("text; pictures of text are not read")
        yield Fault(source, 1, _("text"), _("none"), expected)
        return
    for item in read_talk("\n".join(content.lines), source, roles):
        yield moved(item, lambda line: content.paragraphs[min(line, len(content.paragraphs)) - 1])


def docx_lines(file: BinaryIO, source: str) -> list[Line]:
    """Its text, each line with its paragraph, and then its tables, a line a row. Raises
    UnreadableFile."""
    content = _load(file, source)
    last = max(content.paragraphs, default=1)
    rows = [
        " | ".join(" ".join(cell.split()) for cell in row)
        for table in content.tables
        for row in table
    ]
    lines = [*zip(content.paragraphs, content.lines, strict=True)]
    return [*lines, *((last, text) for row in rows for text in ("", row))]


def _load(file: BinaryIO, source: str) -> _Content:
    with needs("python-docx", source):
        import docx
        from docx.opc.exceptions import PackageNotFoundError
        from docx.table import Table
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - it is compiled

    content = _Content()
    try:
        paragraph = 0
        for block in docx.Document(file).iter_inner_content():
            if isinstance(block, Table):
                content.tables.append(_cells(block))
                continue
            paragraph += 1
            _add_paragraph(block, paragraph, content)
    except (*DAMAGES, PackageNotFoundError, etree.LxmlError) as error:
        reason = str(error) or type(error).__name__
        told = _(
            "cannot be read as a Word document: {reason}; open it in Word and save it anew as .docx"
        )
        raise UnreadableFile(source, told.format(reason=reason)) from error
    return content


def _add_paragraph(paragraph: Any, number: int, content: _Content) -> None:
    """A heading with #, and one in bold that asks with **, as Markdown has them."""
    text, style = paragraph.text, paragraph.style.name or ""
    heading = HEADING.match(style)
    if heading and text.strip():
        content.add_line("", number)
        content.add_line(f"{'#' * min(6, int(heading[1] or 1))} {' '.join(text.split())}", number)
        content.add_line("", number)
    elif _is_bold(paragraph) and is_asking(text) and "\n" not in text:
        content.add_line(f"**{text.strip()}**", number)
    else:
        content.add_line(text, number)


def _is_bold(paragraph: Any) -> bool:
    runs = [run for run in paragraph.runs if run.text.strip()]
    return bool(runs) and all(run.bold for run in runs)


def _cells(table: Any) -> list[list[str]]:
    """The cells of the rows that hold something; a merged cell stands in each of its rows."""
    rows = [[cell.text.strip() for cell in row.cells] for row in table.rows]
    return [row for row in rows if any(row)]


def _stray(content: _Content) -> list[Line]:
    numbered = zip(content.paragraphs, content.lines, strict=True)
    return [(number, line.strip()) for number, line in numbered if line.strip()]
