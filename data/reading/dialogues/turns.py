"""Lines to turns: where each begins, by role words, by numbers, or within a line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from data.conversation import Role

from .headings import Line, is_gap
from .labels import PERSONS
from .numbered import NUMBERED, Number, find_question, read_number
from .role_words import INNER, LABELLED, Roles, find_role, label_of, role_of

SENTENCE_ENDS = "。！？!?.；;|\t"
LINE_ENDS = re.compile("[\x0b\x0c\u2028\u2029]")


@dataclass(slots=True)
class Turn:
    """Its first line is the text behind the role word; `line` is that line's number."""

    role: Role
    line: int
    lines: list[str]
    is_numbered: bool = False
    ends_with_gap: bool = False
    is_left_out: bool = False  # as the user has said of its label

    def close(self) -> None:
        num_lines = len(self.lines)
        while self.lines and is_gap(self.lines[-1]):
            self.lines.pop()
        self.ends_with_gap |= len(self.lines) < num_lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def lines_of(text: str) -> list[str]:
    """Word ends lines in its own ways."""
    return LINE_ENDS.sub("\n", text).split("\n")


def split_turns(lines: list[str], roles: Roles) -> tuple[list[Turn], list[Line]]:
    """The turns, and the lines, with their numbers, that stand before the first of them."""
    turns: list[Turn] = []
    stray: list[Line] = []
    begun_by = _begin_turns(lines, roles)
    for number, line in enumerate(lines, start=1):
        begun = begun_by.get(number)
        if begun:
            turns.append(begun)
        elif turns:
            turns[-1].lines.append(line)
        elif not is_gap(line):
            stray.append((number, line.strip()))
    for turn in turns:
        turn.close()
    return _split_lines(_without_skipped(turns), roles), stray


def _without_skipped(turns: list[Turn]) -> list[Turn]:
    """A gap within or around what is left out is one behind the turn above."""
    kept: list[Turn] = []
    for turn in turns:
        if not turn.is_left_out:
            kept.append(turn)
        elif kept:
            kept[-1].ends_with_gap |= turn.ends_with_gap
    return kept


def _begin_turns(lines: list[str], roles: Roles) -> dict[int, Turn]:
    """The turns by the line that begins them. Numbers begin one where no word begins a question,
    and only right before an answer: lists within answers are numbered too."""
    labelled: dict[int, Turn] = {}
    numbered: dict[int, tuple[Turn, Number]] = {}
    for number, line in enumerate(lines, start=1):
        match = LABELLED.fullmatch(line)
        part = find_role(label_of(match), roles) if match else None
        if match and part and part != "text":
            labelled[number] = _begin_turn(match, part, number)
        elif match := NUMBERED.fullmatch(line):
            turn = Turn("user", number, [match["text"]], is_numbered=True)
            numbered[number] = turn, read_number(match["number"])
    if any(turn.role == "user" and not turn.is_left_out for turn in labelled.values()):
        return labelled
    return labelled | _numbered_questions(labelled, numbered)


def _begin_turn(match: re.Match[str], part: Role | Literal["skip"], number: int) -> Turn:
    """What is left out divides conversations, unless somebody says it."""
    if part == "skip":
        divides = label_of(match).lower() not in PERSONS
        return Turn("user", number, [match["text"]], ends_with_gap=divides, is_left_out=True)
    is_numbered = match["number"] is not None and part == "user"
    return Turn(part, number, [match["text"]], is_numbered)


def _numbered_questions(
    labelled: Mapping[int, Turn], numbered: Mapping[int, tuple[Turn, Number]]
) -> dict[int, Turn]:
    """One for each answer that has a number between it and the turn above."""
    questions: dict[int, Turn] = {}
    above: list[int] = []
    last: Number | None = None
    for line in sorted({*labelled, *numbered}):
        if line in numbered:
            above.append(line)
            continue
        if above and labelled[line].role == "assistant":
            chosen = above[find_question([numbered[each][1] for each in above], last)]
            questions[chosen], last = numbered[chosen]
        above.clear()
    return questions


def _split_lines(turns: list[Turn], roles: Roles) -> list[Turn]:
    """A question without an answer may have it on the same line."""
    split: list[Turn] = []
    for turn, after in zip(turns, [*turns, None][1:], strict=True):
        needs_answer = turn.role == "user" and (after is None or after.role != "assistant")
        split += _split_line(turn, roles) if needs_answer else [turn]
    return split


def _split_line(turn: Turn, roles: Roles) -> list[Turn]:
    first, *others = turn.lines or [""]
    inner: list[tuple[int, int, Role]] = [
        (match.start(), match.end(), role)
        for match in INNER.finditer(first)
        if (role := role_of(match["word"], roles)) and _begins_inside(match, first)
    ]
    if not inner or inner[0][2] != "assistant":
        return [turn]
    ends = [start for start, _, _ in inner[1:]] + [len(first)]
    parts = [Turn("user", turn.line, [first[: inner[0][0]].rstrip(" \t|")])]
    for (_, begin, role), end in zip(inner, ends, strict=True):
        parts.append(Turn(role, turn.line, [first[begin:end].rstrip(" \t|")]))
    parts[-1].lines += others
    parts[-1].ends_with_gap = turn.ends_with_gap
    return parts


def _begins_inside(match: re.Match[str], line: str) -> bool:
    """Whether a turn begins inside a line. Within a sentence a letter before a colon is no role:
    plan A: the cheap one."""
    before = line[: match.start()]
    return len(match["word"]) > 1 or before[-1:] == "\t" or before.rstrip()[-1:] in SENTENCE_ENDS
