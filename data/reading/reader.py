"""Files, folders, standard input and data sets, made conversations: the one door for data."""

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

from data.conversation import Conversation, Item
from data.errors import Fault, InvalidData, UnreadableFile
from data.wording import N_, _

from .dialogues.headings import Line
from .dialogues.role_words import Part
from .documents import docx_lines, pdf_lines, read_docx, read_html, read_pdf, read_yaml
from .encoding import SURE, is_usual, open_text
from .faulty import JUDGED_BAD, WAY_OUT, Draft, Faulty, Read, settle
from .files.kinds import refuse_other_kinds
from .hub import PREFIX, read_hub
from .json_rows import read_json, read_jsonl
from .source import Source, find_sources
from .tables import read_csv, read_parquet, read_xlsx
from .talk import read_talk


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user says of the files: who is who in a dialogue, what fields are called, what
    becomes of faulty conversations; and what they are read for."""

    roles: Mapping[str, Part] = field(default_factory=dict[str, Part])
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    faulty: Faulty = "stop"
    with_bad: bool = False  # answers that are judged bad are read, too


TextReader = Callable[[TextIO, str, Mapping[str, str]], Iterator[Read]]
BinaryReader = Callable[[BinaryIO, str, Mapping[str, str]], Iterator[Read]]
PageReader = Callable[[str, str, Mapping[str, Part]], Iterator[Read]]
DocumentReader = Callable[[BinaryIO, str, Mapping[str, Part], Mapping[str, str]], Iterator[Read]]

DIALOGUES = (".txt", ".md", ".log", ".srt", ".vtt")
PAGES: dict[str, PageReader] = {".html": read_html, ".htm": read_html}
DOCUMENTS: dict[str, DocumentReader] = {".docx": read_docx, ".pdf": read_pdf}
DOCUMENT_LINES = {".docx": docx_lines, ".pdf": pdf_lines}
TEXT_ROWS: dict[str, TextReader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".yaml": read_yaml,
    ".yml": read_yaml,
}
BINARY_ROWS: dict[str, BinaryReader] = {".parquet": read_parquet, ".xlsx": read_xlsx}
GUESSED = 1 << 14  # [characters] that show whether a guess was right
SPOKEN = (*DIALOGUES, *PAGES, *DOCUMENTS)  # where roles have names
SUFFIXES = (*SPOKEN, *TEXT_ROWS, *BINARY_ROWS)


def read_conversations(
    paths: str | Path | Iterable[str | Path], options: ReadOptions | None = None
) -> list[Conversation]:
    """Everything that `read_items` finds.

    Raises UnreadableFile if there is nothing to read or the one file is not text, and
    InvalidData, which carries every fault of every file, if what was read is malformed.
    """
    return conversations_of(read_items(paths, options), paths)


def conversations_of(
    items: Iterable[Item], paths: str | Path | Iterable[str | Path]
) -> list[Conversation]:
    """Raises InvalidData with every error among the items."""
    read = list(items)
    faults = [item for item in read if isinstance(item, Fault) and item.severity == "error"]
    if faults:
        named = ", ".join(map(str, _listed(paths)))
        proposals = [item.seen for item in read if isinstance(item, Fault) and item.kind == WAY_OUT]
        summary = _("{files}: faults in the data: {count}").format(files=named, count=len(faults))
        summary = _("; ").join([summary, *proposals])
        raise InvalidData(summary, faults)
    return [item for item in read if isinstance(item, Conversation)]


def read_items(
    paths: str | Path | Iterable[str | Path], options: ReadOptions | None = None
) -> Iterator[Item]:
    """Conversations and faults one by one, of files and folders (in sorted order, with their
    subfolders), of "-" for standard input and "hf:NAME" for a data set of the Hugging Face hub.

    Raises UnreadableFile if there is nothing to read or the one file cannot be.
    """
    options = options or ReadOptions()
    read = _read_all(_listed(paths), options)
    return settle(map(_with_bad, read) if options.with_bad else read, options.faulty)


def _with_bad(read: Read) -> Read:
    if isinstance(read, Draft) and read.kind == JUDGED_BAD:
        return read.conversation
    return read


def _read_all(listed: list[str | Path], options: ReadOptions) -> Iterator[Read]:
    hubs = [str(path) for path in listed if str(path).startswith(PREFIX)]
    found = [
        each
        for path in listed
        if not str(path).startswith(PREFIX)
        for each in find_sources(path, SUFFIXES)
    ]
    sources = [each for each in found if isinstance(each, Source)]
    yield from (each for each in found if isinstance(each, Fault))
    yield from _unused_options(options, listed, sources, has_hubs=bool(hubs))
    is_alone = len(sources) + len(hubs) == 1
    for source in sources:
        try:
            yield from _read_source(source, options)
        except UnreadableFile as error:
            if is_alone:
                raise
            yield Fault(source.name, 1, _("file"), error.problem, _("a file that can be read"))
    for name in hubs:
        yield from read_hub(name, options.columns)


def _unused_options(
    options: ReadOptions, listed: list[str | Path], sources: list[Source], *, has_hubs: bool
) -> Iterator[Fault]:
    """What the user says of files that are not there, and so has said of the others in vain."""
    suffixes = {source.suffix for source in sources}
    where = ", ".join(map(str, listed)), 1
    if options.roles and suffixes.isdisjoint(SPOKEN):
        seen = _("rows alone, which name their roles themselves")
        expected = _("a dialogue ({suffixes}) for it, or leave the option out").format(
            suffixes=", ".join(DIALOGUES)
        )
        yield Fault(*where, "--roles", seen, expected)
    if options.columns and not has_hubs and suffixes.issubset({*DIALOGUES, *PAGES}):
        seen = _("dialogues alone, which have no fields")
        expected = _("a table or JSON for it, or leave the option out (--roles names speakers)")
        yield Fault(*where, "--map", seen, expected)


def _listed(paths: str | Path | Iterable[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else [*paths]


def read_lines(source: Source) -> list[Line]:
    """Lines of a text or document, with where they stand: a line, a paragraph or a page, from 1 on.

    Raises UnreadableFile.
    """
    with _opened(source) as file:
        if source.suffix in DOCUMENT_LINES:
            return DOCUMENT_LINES[source.suffix](file, source.name)
        with open_text(file, source.name) as text:
            return [*enumerate(text.read().split("\n"), start=1)]


def _read_source(source: Source, options: ReadOptions) -> Iterator[Read]:
    columns = options.columns or source.columns
    with _opened(source) as file:
        if source.suffix in BINARY_ROWS:
            yield from BINARY_ROWS[source.suffix](file, source.name, columns)
            return
        if source.suffix in DOCUMENTS:
            yield from DOCUMENTS[source.suffix](file, source.name, options.roles, columns)
            return
        with open_text(file, source.name) as text:
            yield from _guessed(text, source)
            if source.suffix in DIALOGUES:
                yield from read_talk(text.read(), source.name, options.roles)
            elif source.suffix in PAGES:
                yield from PAGES[source.suffix](text.read(), source.name, options.roles)
            else:
                yield from TEXT_ROWS[source.suffix](text, source.name, columns)


def _guessed(text: TextIO, source: Source) -> Iterator[Fault]:
    """A warning where the encoding is a guess that may be wrong."""
    if text.encoding in SURE:
        return
    begin = text.tell()
    beginning = text.read(GUESSED)
    text.seek(begin)
    if not is_usual(beginning, text.encoding):
        shown = next((line for line in beginning.split("\n") if not line.isascii()), "")[:40]
        seen = _("read as {encoding}: {shown!r}").format(
            encoding=text.encoding.upper(), shown=shown
        )
        expected = _("UTF-8, if that is not what it says")
        yield Fault(source.name, 1, _("encoding"), seen, expected, "warning", N_("encoding"))


@contextmanager
def _opened(source: Source) -> Generator[BinaryIO]:
    """The file, if it is what its name says; what the system refuses is said plainly."""
    try:
        with source.open() as file:
            refuse_other_kinds(file, source.name, source.suffix)
            yield file
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        told = _("{reason}; check its rights, or pack it anew")
        raise UnreadableFile(source.name, told.format(reason=reason)) from error
