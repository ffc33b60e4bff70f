"""Messages of a chat: each head with the lines below it, and the pauses between them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .asides import Aside
from .heads import Head, Heads
from .notes import is_program, kind_of_note
from .speakers import clean_name
from .stamps import HOUR, Stamp, in_seconds

PAUSE = 6 * HOUR  # [s]
TURNED_BACK = HOUR  # [s], in autumn; a clock that goes back further is that of another chat
RULE = re.compile(r"={20,}\s*")  # QQ's around its titles, where a chat begins or ends


@dataclass(slots=True)
class ExportedMessage:
    """`line` is its head's number, `first` that of its first line of text."""

    speaker: str
    line: int
    first: int
    lines: list[str]
    stamp: Stamp | None = None
    begins: bool = False  # another chat
    follows_gap: bool = False  # an empty line
    follows_pause: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(map(str.strip, self.lines))


@dataclass(slots=True)
class Chat:
    """Its messages as its lines are read."""

    has_rules: bool = False
    messages: list[ExportedMessage] = field(default_factory=list[ExportedMessage])
    asides: list[Aside] = field(default_factory=list[Aside])  # outside of messages
    _open: ExportedMessage | None = None
    _stamp: Stamp | None = None
    _begins: bool = False
    _follows_gap: bool = False

    def open(self, head: Head, *, follows_gap: bool) -> None:
        """A message, or what belongs to none."""
        self._stamp, self._open = head.stamp or self._stamp, None
        self._follows_gap |= follows_gap
        name = clean_name(head.speaker or "")
        if head.speaker is None or is_program(name):
            self.leave_out(head.line + 1, ": ".join(filter(None, (head.speaker, head.text))))
            return
        lines, at = ([head.text], head.line) if head.text else ([], head.end)
        message = ExportedMessage(name, head.line + 1, at + 1, lines, self._stamp)
        message.begins, message.follows_gap = self._begins, self._follows_gap
        self._open, self._begins, self._follows_gap = message, False, False
        self.messages.append(message)

    def add(self, number: int, line: str) -> None:
        """A line below a head: more of the message that is open."""
        if self.has_rules and RULE.fullmatch(line):
            self._open, self._begins = None, True
        elif self._open:
            self._open.lines.append(line)
        else:
            self.leave_out(number, line)

    def leave_out(self, number: int, text: str) -> None:
        if text.strip():
            kind = kind_of_note(text.strip()) or "note"
            self.asides.append(Aside(kind, number, text.strip()))


def read_messages(lines: Sequence[str], heads: Heads, *, names_alone: bool) -> Chat:
    """Where names stand alone on their lines, one with no text below it is a note."""
    chat = Chat(has_rules=names_alone)
    at = 0
    while at < len(lines):
        head = heads.get(at)
        if head:
            chat.open(head, follows_gap=at > 0 and not lines[at - 1].strip())
        else:
            chat.add(at + 1, lines[at])
        at = head.end if head else at + 1
    if names_alone:
        for each in filter(lambda each: each.is_empty, chat.messages):
            chat.leave_out(each.line, each.speaker)
    find_pauses(chat.messages)
    return chat


def find_pauses(messages: Sequence[ExportedMessage]) -> None:
    """Pictures and notes of a speaker count as signs of life, too."""
    stamps = [each.stamp for each in messages]
    first = next((stamp for stamp in stamps if stamp), Stamp(None, 0))
    seconds = in_seconds([stamp or first for stamp in stamps])
    for at in range(1, len(messages)):
        gap = seconds[at] - seconds[at - 1]
        messages[at].follows_pause = gap > PAUSE or gap < -TURNED_BACK
