"""Dialogues as people type them: a role word and a colon begin a turn.

患者：我头晕怎么办？          a user line after an answer and a blank line (or ---)
医生：先量血压。              begins a new conversation; without the blank line it
                              is the next turn of the same one.
答案的第二段。                Anything else goes on with the turn above it.

1. 头晕怎么办？               A number begins a question if an answer follows, and with it
答：先量血压。                a new conversation.

问：头晕怎么办？ 答：先量血压。   Both turns may stand on one line.

## 第二章                     A heading or a page's number behind an empty line is left
                              out where a conversation begins below it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from data.conversation import Conversation, Item, Message, Role
from data.errors import Fault

from .exports.export import read_export
from .exports.joining import Turn
from .headings import Line, cut_headings, is_gap, is_heading, left_out
from .numbered import NUMBERED, Number, find_question, read_number
from .role_words import INNER, LABELLED, ROLES, UNREAD, Roles, find_role, label_of
from .speakers import find_speakers

COLONS = ":：∶"
SENTENCE_ENDS = "。！？!?.；;|\t"
LINE_ENDS = re.compile("[\x0b\x0c\u2028\u2029]")

EXAMPLE = """
    Q: How often do I oil the chain?
    A: Every 200 km.
  or
    问：多久上一次油？
    答：每两百公里。"""


@dataclass(slots=True)
class _Turn:
    role: Role
    line: int
    lines: list[str]
    is_numbered: bool = False
    ends_with_gap: bool = False

    def close(self) -> None:
        num_lines = len(self.lines)
        while self.lines and is_gap(self.lines[-1]):
            self.lines.pop()
        self.ends_with_gap = len(self.lines) < num_lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def read_dialogue(text: str, source: str, roles: Roles) -> Iterator[Item]:
    """The conversations of a `.txt` or `.md` file, or every fault; `roles` come before ours."""
    lines = _lines(text)
    if export := read_export(lines, source, roles):
        yield from export.faults
        yield from build_conversations(export.conversations, source)
        return
    known: Roles = {**ROLES, **roles}
    turns, stray = _split_turns(lines, known)
    if len({turn.role for turn in turns} - {"system"}) < 2:
        found = find_speakers(lines, source, partial(find_role, roles=known))
        if found:
            yield found.warning
            known = {**known, **found.roles}
            turns, stray = _split_turns(lines, known)
    if not turns:
        line, seen = stray[0] if stray else (1, "no text")
        expected = f"lines that begin with a role word and a colon, such as{EXAMPLE}"
        yield Fault(source, line, "text", repr(seen[:80]), expected)
        return
    headings = [*_take_headings(stray), *_cut_headings(turns)]
    if headings:
        yield left_out(headings, source)
    yield from _unread(turns, source)
    expected = (
        "a role word and a colon before any other text; take the line out, or put # before it, if "
        "it is a heading"
    )
    yield from (Fault(source, line, "text", repr(seen[:80]), expected) for line, seen in stray)
    for group in _group(turns):
        faults = list(_find_faults(group, source))
        yield from faults or (_build_conversation(group, source),)


def build_conversations(groups: Iterable[Sequence[Turn]], source: str) -> Iterator[Item]:
    """Of turns that are known, or what is wrong with them."""
    for each in groups:
        group = [_Turn(turn.role, turn.line, turn.lines) for turn in each]
        faults = list(_find_faults(group, source))
        yield from faults or (_build_conversation(group, source),)


def split_cell(text: str) -> list[Message]:
    """The turns that a table's cell holds, or one question. A role word with nothing behind it at
    the end is where the answer belongs."""
    if not any(colon in text for colon in COLONS):
        return [Message("user", text)]
    turns, stray = _split_turns(_lines(text), ROLES)
    if turns and turns[-1].role == "assistant" and not turns[-1].text:
        turns.pop()
    roles = [turn.role for turn in turns]
    if stray or not roles or roles[0] == "assistant" or roles[-1] != "user":
        return [Message("user", text)]
    return [Message(turn.role, turn.text) for turn in turns]


def find_pairs(text: str) -> list[tuple[str, str]]:
    """Questions with their answers, wherever they are in a text; the rest of it is left."""
    turns, _ = _split_turns(_lines(text), ROLES)
    return [
        (turn.text, after.text)
        for turn, after in pairwise(turns)
        if (turn.role, after.role) == ("user", "assistant") and turn.text and after.text
    ]


def _split_turns(lines: list[str], roles: Roles) -> tuple[list[_Turn], list[Line]]:
    """The turns, and the lines, with their numbers, that stand before the first of them."""
    turns: list[_Turn] = []
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
    return _split_lines(turns, roles), stray


def _begin_turns(lines: list[str], roles: Roles) -> dict[int, _Turn]:
    """The turns by the line that begins them. Numbers begin one where no word begins a question,
    and only right before an answer: lists within answers are numbered too."""
    labelled: dict[int, _Turn] = {}
    numbered: dict[int, tuple[_Turn, Number]] = {}
    for number, line in enumerate(lines, start=1):
        match = LABELLED.fullmatch(line)
        role = find_role(label_of(match), roles) if match else None
        if match and role:
            is_numbered = match["number"] is not None and role == "user"
            labelled[number] = _Turn(role, number, [match["text"]], is_numbered)
        elif match := NUMBERED.fullmatch(line):
            turn = _Turn("user", number, [match["text"]], is_numbered=True)
            numbered[number] = turn, read_number(match["number"])
    if any(turn.role == "user" for turn in labelled.values()):
        return labelled
    return labelled | _numbered_questions(labelled, numbered)


def _numbered_questions(
    labelled: Mapping[int, _Turn], numbered: Mapping[int, tuple[_Turn, Number]]
) -> dict[int, _Turn]:
    """One for each answer that has a number between it and the turn above."""
    questions: dict[int, _Turn] = {}
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


def _lines(text: str) -> list[str]:
    """Word ends lines in its own ways."""
    return LINE_ENDS.sub("\n", text).split("\n")


def _take_headings(stray: list[Line]) -> list[Line]:
    found = [line for line in stray if is_heading(line[1])]
    stray[:] = [line for line in stray if not is_heading(line[1])]
    return found


def _cut_headings(turns: list[_Turn]) -> Iterator[Line]:
    """Off the answers that a conversation or the file ends with."""
    for turn, after in zip(turns, [*turns, None][1:], strict=True):
        if turn.role == "assistant" and (after is None or after.role != "assistant"):
            if found := cut_headings(turn.lines):
                turn.close()
            yield from ((turn.line + at, text) for at, text in found)


def _unread(turns: list[_Turn], source: str) -> Iterator[Fault]:
    """Lines within a turn that look as if they began one."""
    for turn in turns:
        for number, line in enumerate(turn.lines):
            if number and UNREAD.match(line.strip()):
                seen = f"{line.strip()[:40]!r}, read as part of the turn above"
                expected = "a role word and a colon, if a turn begins here"
                where = source, turn.line + number, turn.role
                yield Fault(*where, seen, expected, "warning", "unread turn")


def _split_lines(turns: list[_Turn], roles: Roles) -> list[_Turn]:
    """A question without an answer may have it on the same line."""
    split: list[_Turn] = []
    for turn, after in zip(turns, [*turns, None][1:], strict=True):
        needs_answer = turn.role == "user" and (after is None or after.role != "assistant")
        split += _split_line(turn, roles) if needs_answer else [turn]
    return split


def _split_line(turn: _Turn, roles: Roles) -> list[_Turn]:
    first, *others = turn.lines or [""]
    inner: list[tuple[int, int, Role]] = [
        (match.start(), match.end(), role)
        for match in INNER.finditer(first)
        if (role := find_role(match["word"], roles)) and _begins_inside(match, first)
    ]
    if not inner or inner[0][2] != "assistant":
        return [turn]
    ends = [start for start, _, _ in inner[1:]] + [len(first)]
    parts = [_Turn("user", turn.line, [first[: inner[0][0]].rstrip(" \t|")])]
    for (_, begin, role), end in zip(inner, ends, strict=True):
        parts.append(_Turn(role, turn.line, [first[begin:end].rstrip(" \t|")]))
    parts[-1].lines += others
    parts[-1].ends_with_gap = turn.ends_with_gap
    return parts


def _begins_inside(match: re.Match[str], line: str) -> bool:
    """Within a sentence a letter before a colon is no role: plan A: the cheap one."""
    before = line[: match.start()]
    return len(match["word"]) > 1 or before[-1:] == "\t" or before.rstrip()[-1:] in SENTENCE_ENDS


def _find_faults(turns: list[_Turn], source: str) -> Iterator[Fault]:
    neighbours = zip([None, *turns[:-1]], turns, [*turns[1:], None], strict=True)
    for before, turn, after in neighbours:
        if not turn.text:
            yield Fault(source, turn.line, turn.role, "an empty turn", "text after the colon")
        if turn.role == "assistant" and (before is None or before.role != "user"):
            seen = f"an answer with no question: above it is {_name(before)}"
            yield Fault(source, turn.line, turn.role, seen, "a user line above it")
        if turn.role == "user" and (after is None or after.role != "assistant"):
            seen = f"a question with no answer: below it is {_name(after)}"
            yield Fault(source, turn.line, turn.role, seen, "an assistant line below it")
        if turn.role == "system" and (after is None or after.role != "user"):
            seen = f"a system line with no question: below it is {_name(after)}"
            yield Fault(source, turn.line, turn.role, seen, "a user line below it")


def _name(neighbour: _Turn | None) -> str:
    return f"the {neighbour.role} line {neighbour.line}" if neighbour else "nothing"


def _group(turns: Iterable[_Turn]) -> list[list[_Turn]]:
    groups: list[list[_Turn]] = []
    for turn in turns:
        last = groups[-1][-1] if groups else None
        follows_gap = last is not None and last.role == "assistant" and last.ends_with_gap
        begins = turn.role == "system" or turn.is_numbered or (turn.role == "user" and follows_gap)
        if last is None or begins:
            groups.append([])
        groups[-1].append(turn)
    return groups


def _build_conversation(turns: list[_Turn], source: str) -> Conversation:
    messages = tuple(Message(turn.role, turn.text) for turn in turns)
    return Conversation(messages, source, turns[0].line)
