"""What nobody said, cut out of messages, counted and named: media, notes, quotations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from data.errors import Fault
from data.reading.listing import first_of, shown_line
from data.wording import N_, _

from .media import PARTS, WITHOUT, cut_media, file_of, is_media
from .notes import cut_edited, is_event, is_footer, kind_of_note
from .speakers import hide_phones
from .stamps import MARKS, SPACES

Kind = Literal["media", "deleted message", "note", "quotation"]

NUM_NAMED = 5
NO_MARKS = str.maketrans("", "", MARKS)
MARK = "\u200e"  # before what WhatsApp writes by itself
REPLY = re.compile(r"replying to \"[^\"\n]{0,60}\"\s*", re.IGNORECASE)  # Zoom's
QUOTED = re.compile(r"引用[:：].*")
RULE = re.compile(r"(?:- ){5,}-?\s*")  # below what WeChat quotes
# How each kind is said: its name, one, several, and what would be of use.
SAYINGS: dict[Kind, tuple[str, str, str, str]] = {
    "media": (
        N_("media"),
        N_("a picture, recording, file or link, left out: {lines}"),
        N_("{count} pictures, recordings, files and links, left out: {lines}"),
        N_("what they show in words, where an answer rests on it"),
    ),
    "deleted message": (
        N_("deleted message"),
        N_("a deleted message, left out: {lines}"),
        N_("{count} deleted messages, left out: {lines}"),
        N_("what was said alone"),
    ),
    "note": (
        N_("note"),
        N_("a line that nobody said, left out: {lines}"),
        N_("{count} lines that nobody said, left out: {lines}"),
        N_("a time and a name above it, where somebody did"),
    ),
    "quotation": (
        N_("quotation"),
        N_("a quoted message, left out: {lines}"),
        N_("{count} quoted messages, left out: {lines}"),
        N_("what was said alone"),
    ),
}


@dataclass(frozen=True, slots=True)
class Aside:
    kind: Kind
    line: int  # from 1
    text: str


@dataclass(frozen=True, slots=True)
class AsideHabits:
    """Whose a chat is: what its program writes into messages."""

    is_whatsapp: bool = False
    are_cues: bool = False
    are_quoted: bool = False  # messages of several lines


def cut_asides(lines: Sequence[str], first: int, habits: AsideHabits) -> tuple[str, list[Aside]]:
    """What somebody said in a message, whose first line has the number `first`, and the rest."""
    whole = _bare("\n".join(lines))
    if kind := kind_of_note(whole):
        return "", [Aside(kind, first, whole)]
    begin = _end_of_quotation(lines)
    asides = [Aside("quotation", first, _bare(lines[0]))] if begin else []
    kept: list[str] = []
    again: str | None = None
    for at, line in enumerate(lines[begin:], start=begin):
        bare = _bare(line)
        if QUOTED.fullmatch(bare):
            asides.append(Aside("quotation", first + at, bare))
            break
        if kind := _kind(line, bare, habits, is_first=at == begin):
            asides.append(Aside(kind, first + at, bare))
            again = file_of(bare)
        elif not (bare and bare == again) and (kept or not asides or not PARTS.fullmatch(line)):
            rest, cut = _cut_line(line, first + at)
            kept += [rest] if rest.strip() or not cut else []
            asides += cut
    return strip("\n".join(kept)), asides


def strip(text: str) -> str:
    """Strip a text of invisible marks, too."""
    return text.strip(MARKS + SPACES)


def _bare(text: str) -> str:
    return text.translate(NO_MARKS).strip(SPACES)


def left_out(asides: Sequence[Aside], source: str) -> Iterator[Fault]:
    """One warning for each kind."""
    for kind, (name, one, several, expected) in SAYINGS.items():
        found = [aside for aside in asides if aside.kind == kind]
        if found:
            shown = first_of(map(_show, found), len(found), NUM_NAMED)
            seen = _(one if len(found) == 1 else several).format(count=len(found), lines=shown)
            yield Fault(source, found[0].line, _(name), seen, _(expected), "warning", name)


def _show(aside: Aside) -> str:
    text = hide_phones(aside.text.split("\n")[0])
    return shown_line((aside.line, text))


def _end_of_quotation(lines: Sequence[str]) -> int:
    """WeChat has what it quotes in brackets, and a rule below it."""
    if not lines or not lines[0].lstrip().startswith("「"):
        return 0
    return next((at + 1 for at, line in enumerate(lines) if RULE.fullmatch(line)), 0)


def _kind(line: str, bare: str, habits: AsideHabits, *, is_first: bool) -> Kind | None:
    """The kind of a line that is nothing but an aside."""
    if is_media(bare) or (is_first and habits.is_whatsapp and WITHOUT.fullmatch(bare)):
        return "media"
    by_program = habits.is_whatsapp and line.lstrip().startswith(MARK)
    is_note = by_program or is_footer(bare) or (habits.are_cues and is_event(bare))
    return "note" if is_note else None


def _cut_line(line: str, number: int) -> tuple[str, list[Aside]]:
    rest, media = cut_media(cut_edited(line))
    cut = [Aside("media", number, media)] if media else []
    if reply := REPLY.match(rest):
        cut.append(Aside("quotation", number, reply[0].strip()))
        rest = rest[reply.end() :]
    return rest, cut
