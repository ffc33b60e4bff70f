"""Documents to drafts of questions and answers, for a person to look through.

Knows no model: it is handed something that answers a prompt.
"""

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .dialogue import find_pairs
from .encoding import open_text
from .errors import Fault, InvalidData
from .rules import script_of
from .source import find_sources

SUFFIXES = (".txt", ".md")
COLUMNS = ("source", "question", "answer", "keep")
PASSAGE = 400  # [characters] at the most
SHORTEST = 20  # [characters] worth asking about
PARAGRAPHS = re.compile(r"\n\s*\n|\n(?=#)")
SENTENCE_ENDS = re.compile(r"(?<=[。！？!?；;])|(?<=\.)\s+|\n")

PROMPTS = {
    "Chinese": "请根据下面的资料写出{count}个问题和答案。只用资料里的内容，答案要完整。"
    "每个问题一行，以“问：”开头；每个答案一行，以“答：”开头。\n\n资料：\n{text}",
    "other": "Write {count} questions and their answers from the text below. Use nothing but the "
    'text, and answer in whole sentences. Begin each question with "Q:" and each answer with "A:", '
    "on lines of their own.\n\nText:\n{text}",
}

Generate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Passage:
    source: str
    line: int
    text: str

    @property
    def where(self) -> str:
        return f"{self.source}:{self.line}"

    def prompt(self, count: int) -> str:
        return PROMPTS[script_of(self.text) or "other"].format(count=count, text=self.text)


@dataclass(frozen=True, slots=True)
class Drafted:
    """How many passages there were, of which some had been drafted before and some gave nothing."""

    num_passages: int
    num_before: int
    num_pairs: int
    num_empty: int


def read_passages(paths: Iterable[str | Path]) -> list[Passage]:
    """Raises UnreadableFile."""
    passages: list[Passage] = []
    for path in paths:
        for source in find_sources(path, SUFFIXES):
            with source.open() as file, open_text(file, source.name) as text:
                passages += cut(text.read(), source.name)
    return passages


def cut(text: str, source: str) -> Iterator[Passage]:
    """Paragraphs, joined while they are short and cut between sentences where they are long."""
    begin = end = 0
    for at, piece in _pieces(text):
        if end > begin and at + len(piece) - begin > PASSAGE:
            yield from _passage(text, begin, end, source)
            begin = at
        end = at + len(piece)
    yield from _passage(text, begin, end, source)


def draft(
    passages: Sequence[Passage], generate: Generate, out: Path, count: int, num_at_once: int = 8
) -> Drafted:
    """Append drafts to a table that a person may have edited; passages that are in it are left
    out. Every passage is written as soon as its answer is there.

    Raises InvalidData where the table has other columns, and whatever `generate` raises.
    """
    known = _drafted_sources(out)
    missing = [passage for passage in passages if passage.where not in known]
    num_pairs = num_empty = 0
    with (
        out.open("a", encoding="utf-8-sig" if not known else "utf-8", newline="") as file,
        ThreadPoolExecutor(num_at_once) as pool,
    ):
        writer = csv.writer(file)
        if out.stat().st_size == 0:
            writer.writerow(COLUMNS)
        answers = pool.map(lambda passage: generate(passage.prompt(count)), missing)
        for passage, answer in zip(missing, answers, strict=True):
            rows = [(passage.where, *pair, "") for pair in find_pairs(answer)]
            num_pairs += len(rows)
            num_empty += not rows
            writer.writerows(rows or [(passage.where, "", "", "no")])
            file.flush()
            os.fsync(file.fileno())
    return Drafted(len(passages), len(passages) - len(missing), num_pairs, num_empty)


def _drafted_sources(out: Path) -> set[str]:
    if not out.exists() or out.stat().st_size == 0:
        return set()
    with out.open("rb") as file, open_text(file, str(out)) as text:
        rows = csv.DictReader(text)
        if tuple(rows.fieldnames or ())[: len(COLUMNS)] != COLUMNS:
            seen, expected = ", ".join(rows.fieldnames or ["nothing"]), ", ".join(COLUMNS)
            fault = Fault(str(out), 1, "header", seen, f"{expected}; or choose another --out")
            raise InvalidData(f"{out}: is not a table of drafts", [fault])
        return {row["source"] for row in rows}


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


def _passage(text: str, begin: int, end: int, source: str) -> Iterator[Passage]:
    cut = text[begin:end]
    stripped = cut.strip()
    if len(stripped) >= SHORTEST:
        begin += len(cut) - len(cut.lstrip())
        yield Passage(source, 1 + text.count("\n", 0, begin), stripped)
