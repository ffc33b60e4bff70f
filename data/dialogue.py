"""Dialogues as people type them: a role word and a colon begin a turn.

患者：我头晕怎么办？          a user line after an answer and a blank line (or ---)
医生：先量血压。              begins a new conversation; without the blank line it
                              is the next turn of the same one.
答案的第二段。                Anything else goes on with the turn above it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .conversation import Conversation, Message, Role
from .errors import Fault, InvalidData

ROLE_WORDS: dict[Role, str] = {
    "user": "患者 病人 问 用户 提问 客户 Q Question User Human Patient Customer",
    "assistant": "医生 大夫 医师 答 回答 助手 客服 A Answer Assistant Bot Doctor Agent Mechanic"
    " Advisor Expert",
    "system": "系统 System",
}
ROLES: dict[str, Role] = {
    word.lower(): role for role, words in ROLE_WORDS.items() for word in words.split()
}

ROLE_LINE = re.compile(
    r"\s*(?:(?P<plain>\w+)\s*[:：]"
    r"|\*\*\s*(?P<bold>\w+)\s*(?:\*\*\s*[:：]|[:：]\s*\*\*))(?P<text>.*)",
    re.DOTALL,
)
SEPARATOR = re.compile(r"\s*([-=*_])\1{2,}\s*")

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
    ends_with_gap: bool = False

    def close(self) -> None:
        """Blank and separator lines at the end stand between turns: they are not content."""
        num_lines = len(self.lines)
        while self.lines and _is_gap(self.lines[-1]):
            self.lines.pop()
        self.ends_with_gap = len(self.lines) < num_lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def read_dialogue(text: str, source: str) -> list[Conversation]:
    """The conversations of a `.txt` or `.md` file; raises InvalidData with every fault."""
    turns, stray = _split_turns(text.split("\n"))
    if turns:
        expected = "a role word and a colon before any other text"
        faults = [Fault(source, line, "text", repr(seen[:80]), expected) for line, seen in stray]
        faults += _find_faults(turns, source)
    else:
        line, seen = stray[0] if stray else (1, "no text")
        expected = f"lines that begin with a role word and a colon, such as{EXAMPLE}"
        faults = [Fault(source, line, "text", repr(seen[:80]), expected)]
    if faults:
        raise InvalidData(f"{source}: this is not a well-formed dialogue", faults)
    return [_build_conversation(group, source) for group in _group(turns)]


def _split_turns(lines: list[str]) -> tuple[list[_Turn], list[tuple[int, str]]]:
    """The turns, and the numbered lines that stand before the first of them."""
    turns: list[_Turn] = []
    stray: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        begun = _begin_turn(line, number)
        if begun:
            turns.append(begun)
        elif turns:
            turns[-1].lines.append(line)
        elif not _is_gap(line):
            stray.append((number, line.strip()))
    for turn in turns:
        turn.close()
    return turns, stray


def _begin_turn(line: str, number: int) -> _Turn | None:
    match = ROLE_LINE.fullmatch(line)
    role = ROLES.get((match["plain"] or match["bold"]).lower()) if match else None
    return _Turn(role, number, [match["text"]]) if match and role else None


def _is_gap(line: str) -> bool:
    return not line.strip() or SEPARATOR.fullmatch(line) is not None


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


def _group(turns: list[_Turn]) -> list[list[_Turn]]:
    groups: list[list[_Turn]] = []
    for turn in turns:
        last = groups[-1][-1] if groups else None
        follows_gap = last is not None and last.role == "assistant" and last.ends_with_gap
        if last is None or turn.role == "system" or (turn.role == "user" and follows_gap):
            groups.append([])
        groups[-1].append(turn)
    return groups


def _build_conversation(turns: list[_Turn], source: str) -> Conversation:
    messages = tuple(Message(turn.role, turn.text) for turn in turns)
    return Conversation(messages, source, turns[0].line)
