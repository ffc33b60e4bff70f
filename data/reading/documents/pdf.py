"""PDF documents that hold text: their lines, put together where the page's width broke them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import BinaryIO

from data.errors import Fault, UnreadableFile
from data.reading.dialogues.faq import left_out
from data.reading.dialogues.headings import Line, is_heading
from data.reading.dialogues.numbered import NUMBERED
from data.reading.dialogues.role_words import LABELLED, Roles
from data.reading.faulty import Read
from data.reading.talk import read_talk
from data.wording import N_, _

from .extra import needs
from .places import moved

DAMAGES = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, NotImplementedError),
    *(AssertionError, RecursionError, OverflowError, OSError, EOFError, UnicodeError),
)
FULL = 0.8  # of the longest line of a page: one that is shorter ends where its author ended it
NARROW = 20  # [characters] of a page whose lines are all short, as in a poem
BEGINS = re.compile(r"\s*(?:[-*•·▪●○]|#)\s*\S")
NUMBER_ALONE = re.compile(r"[-–—\s]*(\d{1,5})(?:\s*/\s*\d{1,5})?[-–—\s]*")
IDEOGRAPH = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
NUM_NAMED = 10


def read_pdf(
    file: BinaryIO, source: str, roles: Roles, columns: Mapping[str, str]
) -> Iterator[Read]:
    """Its text, as a `.txt` file's; places are pages. Raises UnreadableFile where there is none."""
    pages = _load(file, source)
    empty = [number for number, lines in enumerate(pages, start=1) if not lines]
    if empty:
        seen = _("{count} of {total} pages without text: {pages}").format(
            count=len(empty), total=len(pages), pages=", ".join(map(str, empty[:NUM_NAMED]))
        )
        expected = _("text; pictures of text are not read")
        yield Fault(source, empty[0], _("pages"), seen, expected, "warning", N_("no text"))
    yield from left_out(_take_running(pages), source)
    lines = _lines_of(pages)
    for item in read_talk("\n".join(text for _page, text in lines), source, roles):
        yield moved(item, lambda line: lines[min(line, len(lines)) - 1][0])


def pdf_lines(file: BinaryIO, source: str) -> list[Line]:
    """Its text without running heads, each line with its page. Raises UnreadableFile where there is
    none."""
    pages = _load(file, source)
    _take_running(pages)
    return _lines_of(pages)


def _lines_of(pages: Sequence[list[str]]) -> list[Line]:
    return [line for number, page in enumerate(pages, start=1) for line in _joined(page, number)]


def _load(file: BinaryIO, source: str) -> list[list[str]]:
    """The lines of each page, with the empty ones between paragraphs."""
    with needs("pypdf", source):
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableFile(source, _("needs a password; save it without one"))
        texts = [page.extract_text(extraction_mode="layout") for page in reader.pages]
    except (PyPdfError, *DAMAGES) as error:
        reason = str(error) or type(error).__name__
        told = _(
            "cannot be read as a PDF: {reason}; open it in a reader of PDFs and print it "
            "into a new one"
        )
        raise UnreadableFile(source, told.format(reason=reason)) from error
    pages = [_trimmed(text) for text in texts]
    if not any(pages):
        told = _(
            "holds no text on {count} pages, which may be scanned pictures; recognise "
            "its text first (ocrmypdf does), or type it out"
        )
        raise UnreadableFile(source, told.format(count=len(pages)))
    return pages


def _trimmed(text: str) -> list[str]:
    """The lines of a page without the margins."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def _take_running(pages: Sequence[list[str]]) -> list[Line]:
    """Off the pages: their numbers, and what stands at the head or foot of most of them."""
    taken: list[Line] = []
    for at in (0, -1):
        counts = Counter(_without_digits(lines[at]) for lines in pages if lines)
        for number, lines in enumerate(pages, start=1):
            match = NUMBER_ALONE.fullmatch(lines[at]) if lines else None
            is_number = match is not None and int(match[1]) == number
            is_usual = bool(lines) and counts[_without_digits(lines[at])] > len(pages) / 2
            if is_number or (is_usual and len(pages) > 2):
                taken.append((number, lines.pop(at)))
    return sorted(taken, key=itemgetter(0))


def _without_digits(line: str) -> str:
    return re.sub(r"\d+", "", line)


def _joined(lines: list[str], page: int) -> list[Line]:
    """Lines that the page's width broke, made one again."""
    longest = max(map(len, lines), default=0)
    joined: list[Line] = []
    before = ""
    for line in lines:
        is_broken = len(before) >= FULL * longest and longest > NARROW
        if joined and is_broken and line and not _begins(line):
            text = joined.pop()[1]
            space = "" if IDEOGRAPH.fullmatch(text[-1:]) and IDEOGRAPH.match(line) else " "
            joined.append((page, f"{text}{space}{line}"))
        else:
            joined.append((page, line))
        before = line
    return joined


def _begins(line: str) -> bool:
    """A paragraph of its own, or an entry of a list, or a turn."""
    is_entry = BEGINS.match(line) or NUMBERED.fullmatch(line) or LABELLED.fullmatch(line)
    return bool(is_entry) or is_heading(line)
