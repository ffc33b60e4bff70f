"""What stands between turns: no line of it becomes part of one without a word.

A line below a turn's first belongs to it unless its form says otherwise (a time, a number, a
record's field, a heading), or its place (a few words behind an empty line, after an answer that was
complete), or its return (the same line below several turns). From such a line on, all is left out
up to the next turn. Where a line may be either, it stays and is named.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from data.errors import Fault
from data.reading.listing import first_of, shown_line
from data.wording import N_, _

from .belonging import DOUBTFUL, Habits, is_title, kind_of, speaker_of
from .headings import Line, is_gap
from .labels import FIELDS
from .line_forms import day_in, form_of
from .role_words import Roles, label_in
from .turns import Turn

FENCE = re.compile(r"\s*(?:```|~~~)")
NO_BORDER = ("time", "number", "event", "button")  # between the turns of one conversation, too
UNKNOWN = N_("unknown speaker")
UNLABELLED = N_(
    "a role word and a colon before any other text; take the line out, or put # before it, if it "
    "is a heading"
)
NUM_SHOWN = 3


@dataclass(slots=True)
class Between:
    """Lines that are no sure part of a turn: by what they are, and by who seems to speak."""

    unlabelled: list[Line] = field(default_factory=list[Line])  # before the first turn
    left_out: dict[str, list[Line]] = field(default_factory=dict[str, list[Line]])
    kept: list[Line] = field(default_factory=list[Line])
    speakers: dict[str, list[Line]] = field(default_factory=dict[str, list[Line]])
    strangers: dict[int, list[str]] = field(default_factory=dict[int, list[str]])  # by turn's line
    first_turns: dict[str, int] = field(default_factory=dict[str, int])  # of each speaker

    last_day: str = ""

    def is_another_day(self, lines: Sequence[str]) -> bool:
        days = [day for line in lines if (day := day_in(line))]
        before, self.last_day = self.last_day, [self.last_day, *days][-1]
        return bool(before) and self.last_day != before

    def leave_out(self, kind: str, line: Line) -> None:
        self.left_out.setdefault(kind, []).append(line)

    def faults(self, source: str) -> Iterator[Fault]:
        for line, text in self.unlabelled:
            yield Fault(source, line, _("text"), repr(text[:80]), _(UNLABELLED))
        for kind, lines in self.left_out.items():
            one, several = (
                N_("a line left out ({kind}): {lines}"),
                N_("{count} lines left out ({kind}): {lines}"),
            )
            seen = _told(one, several, lines, kind=_(kind))
            expected = _("no such lines; --roles WORD=text keeps those that begin with a word")
            where = source, lines[0][0], _(kind)
            yield Fault(*where, seen, expected, "warning", N_("between turns"))
        if self.kept:
            yield self._doubtful(source)

    def _doubtful(self, source: str) -> Fault:
        one, several = (
            N_("a line that may not belong to the turn above: {lines}"),
            N_("{count} lines that may not belong to the turn above: {lines}"),
        )
        expected = _(
            "a role word and a colon, where a turn begins; --roles WORD=skip leaves lines that "
            "begin with a word out, WORD=text says that they belong"
        )
        where = source, self.kept[0][0], _("text")
        return Fault(*where, _told(one, several, self.kept), expected, "warning", DOUBTFUL)

    def note_speaker(self, word: str, turn: Turn, line: Line) -> None:
        self.speakers.setdefault(word, []).append(line)
        self.strangers.setdefault(turn.line, []).append(word)
        self.first_turns.setdefault(word, turn.line)

    def of_strangers(self, turns: Sequence[int], source: str) -> tuple[Fault, ...]:
        """One for each speaker, with all his lines, whose first line is in one of the turns."""
        words = dict.fromkeys(word for turn in turns for word in self.strangers[turn])
        first = (word for word in words if self.first_turns[word] in turns)
        return tuple(self._stranger(word, source) for word in first)

    def _stranger(self, word: str, source: str) -> Fault:
        lines = self.speakers[word]
        one, several = (
            N_("a line of {word!r}, who is no known speaker: {lines}"),
            N_("{count} lines of {word!r}, who is no known speaker: {lines}"),
        )
        expected = _("--roles {word}=assistant (or user; skip leaves them out, text keeps them)")
        where = source, lines[0][0], _("speaker")
        seen = _told(one, several, lines, word=word)
        return Fault(*where, seen, expected.format(word=word), kind=UNKNOWN, is_of_one=True)


def sort_out(stray: Sequence[Line], turns: Sequence[Turn], roles: Roles) -> Between:
    """Takes off the turns what is none of them; `stray` stands before the first."""
    habits, found = Habits(turns, roles), Between()
    _sort_head(stray, found)
    for turn in turns:
        _sort_turn(turn, habits, found)
    return found


def _sort_head(stray: Sequence[Line], found: Between) -> None:
    """A title is left out, with all below it; other text has lost its role word."""
    are_below_title = bool(stray) and is_title(stray[0][1])
    for line in stray:
        form = form_of(line[1])
        if are_below_title or form:
            found.leave_out(form or N_("heading"), line)
        else:
            found.unlabelled.append(line)


def _sort_turn(turn: Turn, habits: Habits, found: Between) -> None:
    code = _code_lines(turn)
    for at, line in enumerate(turn.lines):
        is_first = at == 0 or (at == 1 and not turn.lines[0].strip())  # whatever it looks like
        if is_first or is_gap(line) or at in code:
            continue
        here = turn.line + at, line.strip()
        word = label_in(line)
        if speaker := speaker_of(word, habits.roles):
            found.note_speaker(speaker, turn, here)
            continue
        kind = kind_of(turn, at, word, habits)
        if kind == DOUBTFUL:
            found.kept.append(here)
        elif kind:
            _cut(turn, at, kind, found)
            return


def _code_lines(turn: Turn) -> set[int]:
    """The lines of code, from a fence to the one that closes it."""
    fences = [at for at, line in enumerate(turn.lines) if FENCE.match(line)]
    pairs = zip(fences[::2], fences[1::2], strict=False)
    return {at for begin, end in pairs for at in range(begin, end + 1)}


def _cut(turn: Turn, at: int, kind: str, found: Between) -> None:
    """All from there on; a gap in it is one behind the turn, and so is another day."""
    below = turn.lines[at:]
    found.leave_out(kind, (turn.line + at, below[0].strip()))
    for number, line in enumerate(below[1:], start=turn.line + at + 1):
        if not is_gap(line):
            form = N_("field") if label_in(line) in FIELDS else form_of(line)
            found.leave_out(form or N_("text below such a line"), (number, line.strip()))
    is_border = kind not in NO_BORDER or any(map(is_gap, below))
    turn.ends_with_gap |= found.is_another_day(below) or is_border
    del turn.lines[at:]
    turn.close()


def _told(one: str, several: str, lines: Sequence[Line], **more: str) -> str:
    shown = first_of(map(shown_line, lines), len(lines), NUM_SHOWN)
    sentence = _(one if len(lines) == 1 else several)
    return sentence.format(count=len(lines), lines=shown, **more)
