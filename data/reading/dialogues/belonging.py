"""Whether a line belongs to the turn above it: by its form, its place, its return."""

import re
from collections import Counter
from collections.abc import Sequence

from data.wording import N_

from .headings import is_gap
from .labels import FIELDS, PARTS, PERSONS
from .line_forms import form_of
from .numbered import NUMBERED, Number, read_number
from .role_words import UNREAD, Roles, find_role, label_in
from .turns import Turn

SHORT = 60  # [characters] of a block that may be no sentence
SHORT_TITLE = 40  # [characters]
NEAR = 40  # [lines] around one that are looked at
COMPLETE = re.compile(r"[。！？!?.…；;”\"』」）)~～:：][*_\s]*$")
LISTED = re.compile(
    r"\s*(?:[-•·*+>|]\s|[-•·>|]|\d{1,3}[.)、．]|[（(]\d{1,3}[)）]|[一二三四五六七八九十]{1,3}、|[①-⑳])"
    r"|\t| {4}"  # of a list within one, or code
)
BRACKETED = re.compile(r"\s*[（(](?P<value>[一二三四五六七八九十]{1,3})[)）].{1,20}")
MARKDOWN = re.compile(r"\s*(?:#{1,6}\s+\S.*|\*\*[^*]+\*\*[:：]?\s*)")
AROUND = " #*[]【】（）()<>:：、.一二三四五六七八九十0123456789"  # a heading's words
# A line of these may stand within an answer, where its text goes on right below.
WITHIN = ("link", "event", "file name", "e-mail address")
DOUBTFUL = N_("doubtful")
RECURRING, BEHIND_GAP = N_("recurring line"), N_("text behind an empty line")


class Habits:
    """A file's habits: which lines come again below its turns, and whether its sentences end."""

    def __init__(self, turns: Sequence[Turn], roles: Roles) -> None:
        self.roles = roles
        self.openings: Counter[str] = Counter()  # of blocks behind a gap
        self.endings: Counter[str] = Counter()
        num_answers = num_complete = 0
        for turn in turns:
            lines = [line for line in turn.lines if not is_gap(line)]
            if turn.role == "assistant" and lines:
                num_answers += 1
                num_complete += COMPLETE.search(_first_block(turn)[-1]) is not None
            if len(lines) > 1:
                self.endings[_shape(lines[-1])] += 1
            self.openings.update(
                _shape(line) for at, line in enumerate(turn.lines) if _opens_block(turn, at)
            )
        self.are_complete = num_complete > num_answers / 2

    def recurs(self, turn: Turn, at: int) -> bool:
        shape = _shape(turn.lines[at])
        is_last = at == len(turn.lines) - 1
        return (_opens_block(turn, at) and self.openings[shape] > 1) or (
            is_last and self.endings[shape] > 2
        )


def kind_of(turn: Turn, at: int, word: str | None, habits: Habits) -> str | None:
    """What the line is, where it is none of the turn's; DOUBTFUL where it may be."""
    line = turn.lines[at]
    is_part = word in PARTS or line.strip(AROUND).lower() in PARTS
    if is_part or habits.roles.get(word or "") == "text":
        return None
    if MARKDOWN.fullmatch(line):
        return DOUBTFUL if _goes_on(turn, at) else "heading"
    if form := form_of(line):
        return _kind_of_form(form, turn, at)
    if word or UNREAD.match(line.strip()):
        return _kind_of_labelled(word or "", turn, at, habits)
    if _is_section(turn, at):
        return "heading"
    if LISTED.match(line):
        return None
    if habits.recurs(turn, at):
        return DOUBTFUL if COMPLETE.search(line) else RECURRING
    if not _opens_block(turn, at) or _is_sentence(turn, at):
        return None
    is_left_out = turn.role == "assistant" and habits.are_complete and not _goes_on(turn, at)
    return BEHIND_GAP if is_left_out else DOUBTFUL


def speaker_of(word: str | None, roles: Roles) -> str | None:
    """Who is no known one: 护士, 王护士, Speaker 2."""
    if word is None or find_role(word, roles):
        return None
    bare = word.rstrip("0123456789 ")
    is_titled = len(bare) <= 6 and any(
        bare.endswith(each) for each in PERSONS if not each.isascii()
    )
    return word if bare in PERSONS or is_titled else None


def is_title(line: str) -> bool:
    if MARKDOWN.match(line) or form_of(line) or label_in(line) in FIELDS:
        return True
    return len(line) <= SHORT and not COMPLETE.search(line) and not label_in(line)


def _kind_of_labelled(word: str, turn: Turn, at: int, habits: Habits) -> str | None:
    if word in FIELDS:
        return DOUBTFUL if turn.role == "user" and not _opens_block(turn, at) else "field"
    if turn.role == "assistant" and _opens_block(turn, at) and habits.recurs(turn, at):
        return "field"
    return DOUBTFUL


def _kind_of_form(form: str, turn: Turn, at: int) -> str | None:
    """A link and a few others may stand in the middle of an answer."""
    below = turn.lines[at + 1 : at + 2]
    is_inside = below and not is_gap(below[0]) and not is_gap(turn.lines[at - 1])
    if form in WITHIN and is_inside and not form_of(below[0]) and not label_in(below[0]):
        return DOUBTFUL
    return form


def _goes_on(turn: Turn, at: int) -> bool:
    """Sentences follow, and nothing that is surely none of the turn."""
    below = [line for line in turn.lines[at + 1 : at + NEAR] if not is_gap(line)]
    are_sure = (form_of(line) or label_in(line) in FIELDS for line in below)
    return any(COMPLETE.search(line) for line in below) and not any(are_sure)


def _is_section(turn: Turn, at: int) -> bool:
    """二、脾胃 alone, not as one of a list."""
    line = turn.lines[at]
    here = _number_of(line)
    if here is None or COMPLETE.search(line) or len(line.strip()) > SHORT_TITLE:
        return False
    near = (*turn.lines[max(0, at - NEAR) : at], *turn.lines[at + 1 : at + NEAR])
    numbers = [number for other in near if (number := _number_of(other))]
    is_listed = any(here.follows(each) or each.follows(here) for each in numbers)
    is_last = not any(_is_plain(below) for below in turn.lines[at + 1 : at + NEAR])
    return not is_listed and (is_last or _opens_block(turn, at))


def _number_of(line: str) -> Number | None:
    """That a line begins with: 二、 or （二）."""
    if match := NUMBERED.fullmatch(line):
        return read_number(match["number"])
    bracketed = BRACKETED.fullmatch(line)
    return read_number(f"{bracketed['value']}）") if bracketed else None


def _is_plain(line: str) -> bool:
    """Text by its form."""
    if is_gap(line) or form_of(line) or _number_of(line):
        return False
    return (label_in(line) or "注意") in PARTS


def _opens_block(turn: Turn, at: int) -> bool:
    """The first line behind a gap; the text may begin below the role word."""
    is_behind_gap = at > 1 and is_gap(turn.lines[at - 1]) and not is_gap(turn.lines[at])
    return is_behind_gap and any(not is_gap(line) for line in turn.lines[:at])


def _is_sentence(turn: Turn, at: int) -> bool:
    """The block that begins there ends as sentences do, is long, or was announced by a colon."""
    block: list[str] = []
    for line in turn.lines[at:]:
        if is_gap(line):
            break
        block.append(line)
    above = next(line for line in reversed(turn.lines[:at]) if not is_gap(line)).rstrip()
    is_long = sum(map(len, block)) > SHORT
    return is_long or above.endswith((":", "：")) or COMPLETE.search(block[-1]) is not None


def _first_block(turn: Turn) -> list[str]:
    block: list[str] = []
    for line in turn.lines:
        if not is_gap(line):
            block.append(line)
        elif block:
            break
    return block


def _shape(line: str) -> str:
    return re.sub(r"\d+", "0", line.strip().lower())
