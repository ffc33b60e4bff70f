"""Documents to drafts of questions and answers, for a person to look through.

Knows no model: it is handed something that answers a prompt.
"""

import csv
import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import Fault, InvalidData
from .reading.dialogues.dialogue import find_pairs
from .reading.encoding import open_text
from .reading.reader import read_lines
from .reading.source import Source, find_sources
from .script import script_of
from .whole_file import whole_file
from .wording import _

logger = logging.getLogger(__name__)

SUFFIXES = (".txt", ".md", ".docx", ".pdf")
COLUMNS: tuple[str, ...] = ("source", "question", "answer", "keep")
PASSAGE = 400  # [characters] at the most
SHORTEST = 20  # [characters] worth asking about
PARAGRAPHS = re.compile(r"\n\s*\n|\n(?=#)")
SENTENCE_ENDS = re.compile(r"(?<=[。！？!?；;])|(?<=\.)\s+|\n")

# The form stands last, as an example: small models follow nothing else.
PROMPTS = {
    "Chinese": "阅读下面的资料，写出{count}个问题和答案。只用资料里的内容，答案要完整。\n\n"
    "资料：\n{text}\n\n请按照这个格式写：\n问：一个问题\n答：它的答案\n\n问：另一个问题\n答：它的答案",
    "other": "Read the text and write {count} questions about it, each with its answer. Use "
    "nothing but the text, and answer in whole sentences.\n\n"
    "Text:\n{text}\n\nWrite exactly in this form:\n"
    "Q: a question\nA: its answer\n\nQ: another question\nA: its answer",
}

Generate = Callable[[str], str]
OnPassage = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Passage:
    source: str
    line: int
    text: str

    @property
    def where(self) -> str:
        """The name of this text at this place: another text there is another passage."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:6]
        return f"{self.source}:{self.line}#{digest}"

    def prompt(self, count: int) -> str:
        return prompt_for(self.text, count)


@dataclass(frozen=True, slots=True)
class Drafted:
    """How many passages there were, of which some had been drafted before and some gave nothing."""

    num_passages: int
    num_before: int
    num_pairs: int
    num_empty: int


def prompt_for(text: str, count: int) -> str:
    """What a model is asked, in the language of the text."""
    return PROMPTS[script_of(text) or "other"].format(count=count, text=text)


def script_of_most(passages: Sequence[Passage]) -> str:
    """A key of the prompts."""
    counts = Counter(script_of(each.text) or "other" for each in passages)
    return counts.most_common(1)[0][0] if counts else "other"


def read_passages(paths: Iterable[str | Path]) -> list[Passage]:
    """Raises UnreadableFile."""
    passages: list[Passage] = []
    for found in (each for path in paths for each in find_sources(path, SUFFIXES)):
        if isinstance(found, Source):
            passages += _cut_lines(found)
        else:
            logger.warning("%s", found)
    return passages


def _cut_lines(source: Source) -> Iterator[Passage]:
    """Passages at the place where they stand: a line, a paragraph, a page."""
    lines = read_lines(source)
    for passage in cut("\n".join(text for _place, text in lines), source.name):
        yield replace(passage, line=lines[passage.line - 1][0])


def cut(text: str, source: str) -> Iterator[Passage]:
    """Paragraphs, joined while they are short and cut between sentences where they are long."""
    line = 1
    begin = end = counted = 0
    for at, piece in [*_pieces(text), (len(text), "")]:
        if end > begin and (at == len(text) or at + len(piece) - begin > PASSAGE):
            kept = text[begin:end].strip()
            start = text.index(kept, begin) if kept else begin
            line += text.count("\n", counted, start)
            counted = start
            if len(kept) >= SHORTEST:
                yield Passage(source, line, kept)
            begin = at
        end = at + len(piece)


def draft(
    passages: Sequence[Passage],
    generate: Generate,
    out: Path,
    count: int,
    num_at_once: int = 8,
    on_passage: OnPassage = lambda _num_pairs: None,
) -> Drafted:
    """Append drafts to a table that a person may have edited in any program; passages that are in
    it are left out. Passages are written in order, each as soon as its answer is there, and then
    `on_passage` is told how many pairs it gave.

    Raises InvalidData where the table has other columns, and whatever `generate` raises.
    """
    table = read_drafts(out)
    missing = table.missing(passages)
    table.write(out)
    num_pairs = num_empty = 0
    with (
        out.open("a", encoding="utf-8", newline="") as file,
        ThreadPoolExecutor(num_at_once) as pool,
    ):
        writer = csv.DictWriter(file, table.columns, restval="")
        answers = pool.map(lambda passage: generate(passage.prompt(count)), missing)
        for passage, answer in zip(missing, answers, strict=True):
            pairs = find_pairs(_clean(answer))
            num_pairs += len(pairs)
            num_empty += not pairs
            rows = [dict(zip(COLUMNS, (passage.where, *pair, ""), strict=True)) for pair in pairs]
            writer.writerows(rows or [{"source": passage.where, "keep": "no"}])
            file.flush()
            os.fsync(file.fileno())
            on_passage(len(pairs))
    return Drafted(len(passages), len(passages) - len(missing), num_pairs, num_empty)


@dataclass(frozen=True, slots=True)
class Table:
    """Drafts as they are in a file, with any columns that a person has added."""

    columns: Sequence[str]
    rows: Sequence[dict[str, str]]

    def missing(self, passages: Sequence[Passage]) -> list[Passage]:
        """Those that nothing has been drafted of."""
        known = {row.get("source") for row in self.rows}
        return [passage for passage in passages if passage.where not in known]

    def write(self, path: Path) -> None:
        """Write the table in UTF-8 with a mark, for Excel; whole or not at all."""
        with whole_file(path, encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


def read_drafts(path: Path) -> Table:
    """Read drafts in whatever encoding a program saved them; an empty table where there is no file.

    Raises InvalidData where the columns are others, UnreadableFile where it is no text.
    """
    if not path.exists() or path.stat().st_size == 0:
        return Table(COLUMNS, [])
    with path.open("rb") as file, open_text(file, str(path)) as text:
        head = text.readline()
        delimiter = max(",;\t", key=head.count)
        header, *lines = csv.reader([head, *text], delimiter=delimiter)
    columns = [name.strip() for name in header]
    while columns and not columns[-1]:
        columns.pop()  # Excel's empty ones
    if not {*COLUMNS} <= {*columns} or len({*columns}) < len(columns):
        seen = ", ".join(columns) or _("nothing")
        expected = _("{columns}; or choose another --out").format(columns=", ".join(COLUMNS))
        fault = Fault(str(path), 1, _("header"), seen, expected)
        raise InvalidData(_("{source}: is not a table of drafts").format(source=path), [fault])
    filled = [cells for cells in lines if any(cells)]
    if any(any(cells[len(columns) :]) for cells in filled):
        expected = _("a name in the header for every column that holds something")
        fault = Fault(str(path), 1, _("header"), ", ".join(columns), expected)
        raise InvalidData(
            _("{source}: some cells stand under no name").format(source=path), [fault]
        )
    return Table(columns, [dict(zip(columns, cells, strict=False)) for cells in filled])


def _clean(answer: str) -> str:
    """An answer without what no file of text may hold."""
    return answer.encode("utf-8", "ignore").decode().replace("\0", "")


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs, and sentences of those that are too long, with where they begin."""
    for begin, paragraph in _split(text, PARAGRAPHS, 0):
        if len(paragraph) <= PASSAGE:
            yield begin, paragraph
            continue
        for at, sentence in _split(paragraph, SENTENCE_ENDS, begin):
            for offset in range(0, len(sentence), PASSAGE):
                yield at + offset, sentence[offset : offset + PASSAGE]


def _split(text: str, pattern: re.Pattern[str], offset: int) -> Iterator[tuple[int, str]]:
    begin = 0
    for match in pattern.finditer(text):
        yield offset + begin, text[begin : match.start()]
        begin = match.end()
    yield offset + begin, text[begin:]
