"""Questions with their answers below them, and no role words: FAQs, as people write them.

## How do I oil the chain?     A heading, or a line in bold, that asks; or, where there are
One drop per link.             none, the first line of each block. What belongs to no question
                               (an introduction, a section's name) is left out and named.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from data.conversation import Conversation, Item, Message
from data.errors import Fault
from data.reading.asking import MARK, is_asking
from data.reading.listing import first_of, shown_line
from data.wording import N_, _

from .headings import SEPARATOR, Line, is_gap, is_heading
from .numbered import NUMBERED
from .role_words import begins_turn

HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(\S.*?)\s*#*\s*")
BOLD = re.compile(r"\s{0,3}(?:[-*]\s+)?(\*\*|__)(?!\s)(?P<text>(?:(?!\1).)+?)\1\s*\\?\s*")
FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
UNDERLINE = re.compile(r"\s{0,3}([=-])\1{2,}\s*")
BOLD_LEVEL = 7  # below every heading
FEWEST = 2  # questions
MOST = 0.6  # of the headings of one level that ask, where it is that of the questions
FEW = 0.2  # of the blocks, that are none of questions
ENDS = re.compile(r"[。．.!！…;；:：)）\"”」』`]\s*$|^\s*(?:[-*•·]|\d{1,3}[.)、])\s*\S")
NUM_NAMED = 5


@dataclass(slots=True)
class FaqPair:
    """A question and what stands below it, without the empty lines around."""

    line: int
    question: str
    lines: list[str] = field(default_factory=list[str])

    @property
    def answer(self) -> str:
        return "\n".join(self.lines).strip()


def read_faq(lines: Sequence[str], source: str) -> list[Item] | None:
    """The questions and answers, with warnings that say what was taken for them and what was left
    out; None where the lines are no FAQ."""
    found = _by_headings(lines) or _by_blocks(lines)
    if found is None or any(begins_turn(pair.question) for pair in found[0]):
        return None
    pairs, stray, what = found
    return [taken(pairs, source, what), *left_out(stray, source), *conversations(pairs, source)]


def conversations(pairs: Sequence[FaqPair], source: str) -> Iterator[Item]:
    """One for each; a fault where a question has no answer."""
    for pair in pairs:
        if pair.answer:
            messages = Message("user", pair.question), Message("assistant", pair.answer)
            yield Conversation(messages, source, pair.line)
        else:
            seen = _("a question with no answer below it: {question!r}")
            where = source, pair.line, "user", seen.format(question=pair.question[:60])
            yield Fault(*where, _("an answer below it"), kind=N_("no answer"), is_of_one=True)


def taken(pairs: Sequence[FaqPair], source: str, what: str) -> Fault:
    """What was taken for questions and answers."""
    seen = _(
        "no role words, but {count} {what}: taken for questions, what is below for answers"
    ).format(count=len(pairs), what=what)
    expected = _("Q: and A: before them, if that is wrong")
    return Fault(source, pairs[0].line, _("questions"), seen, expected, "warning", N_("faq"))


def left_out(stray: Sequence[Line], source: str) -> Iterator[Fault]:
    """One warning for all lines that are nobody's answer."""
    if stray:
        one, several = (
            N_("a line that belongs to no question, left out: {lines}"),
            N_("{count} lines that belong to no question, left out: {lines}"),
        )
        shown = first_of(map(shown_line, stray), len(stray), NUM_NAMED)
        seen = _(one if len(stray) == 1 else several).format(count=len(stray), lines=shown)
        expected = _("a question above them, if they are an answer")
        where = source, stray[0][0], _("text")
        yield Fault(*where, seen, expected, "warning", N_("left out"))


Found = tuple[list[FaqPair], list[Line], str]


def _by_headings(lines: Sequence[str]) -> Found | None:
    """Pairs by the level whose headings ask: deeper ones belong to the answers, those above or
    beside that do not ask are sections, whose text is nobody's answer."""
    code = _code(lines)
    heads = _heads(lines, code)
    level = _asking_level(heads)
    if level is None:
        return None
    pairs: list[FaqPair] = []
    stray: list[Line] = []
    is_open = False
    for number, line in enumerate(lines, start=1):
        head = heads.get(number)
        if head and head[0] <= level:
            is_open = head[0] == level and is_asking(head[1])
            if is_open:
                pairs.append(FaqPair(number, _without_number(head[1])))
                continue
        if SEPARATOR.fullmatch(line) and number not in code:
            is_open = is_open and number - 1 in heads  # underlined
        elif is_open:
            pairs[-1].lines.append(line)
        elif line.strip():
            stray.append((number, line.strip()))
    kind = _("lines in bold that ask") if level == BOLD_LEVEL else _("headings that ask")
    return pairs, stray, kind


def _heads(lines: Sequence[str], code: Collection[int]) -> dict[int, tuple[int, str]]:
    """Level and text by line."""
    heads: dict[int, tuple[int, str]] = {}
    for number, (line, below) in enumerate(pairwise([*lines, ""]), start=1):
        if number in code:
            continue
        if heading := HEADING.fullmatch(line):
            heads[number] = len(heading[1]), heading[2].strip("*_ ")
        elif line.strip() and (underline := UNDERLINE.fullmatch(below)) and is_asking(line):
            heads[number] = 1 if underline[1] == "=" else 2, line.strip()
        elif (bold := BOLD.fullmatch(line)) and is_asking(bold["text"]):
            heads[number] = BOLD_LEVEL, bold["text"].strip()
    return heads


def _code(lines: Sequence[str]) -> set[int]:
    """The lines between fences, where # begins a comment and --- is no separator."""
    inside: set[int] = set()
    is_code = False
    for number, line in enumerate(lines, start=1):
        if FENCE.match(line):
            is_code = not is_code
        elif is_code:
            inside.add(number)
    return inside


def _asking_level(heads: dict[int, tuple[int, str]]) -> int | None:
    """That with the most headings that ask, if they are most of its headings."""
    asking = {
        level: [is_asking(text) for at, text in heads.values() if at == level]
        for level in {level for level, _ in heads.values()}
    }
    fit = {
        level: sum(found)
        for level, found in asking.items()
        if sum(found) >= max(FEWEST, MOST * len(found))
    }
    return max(fit, key=lambda level: (fit[level], -level), default=None)


def _by_blocks(lines: Sequence[str]) -> Found | None:
    """Pairs by blocks between empty lines, each of a question in its first line and its answer; or
    of questions alone, each with its answer in the blocks below. Headings stand between them."""
    blocks = [(_kind(block), block) for block in _blocks(lines)]
    texts = [(kind, block) for kind, block in blocks if kind != "heading"]
    sizes = [len(block) for kind, block in texts if kind == "question"]
    if len(sizes) < FEWEST or texts[0][0] != "question":
        return None
    is_alone = max(sizes) == 1
    if not is_alone and (min(sizes) == 1 or len(texts) - len(sizes) > FEW * len(texts)):
        return None
    pairs: list[FaqPair] = []
    stray: list[Line] = []
    for kind, block in blocks:
        if kind == "question":
            number, question = block[0]
            pairs.append(
                FaqPair(number, _without_number(question), [text for _, text in block[1:]])
            )
        elif is_alone and kind == "text" and pairs and _is_prose(block):
            pairs[-1].lines += ["", *(text for _, text in block)]
        else:
            stray += block
    return pairs, stray, _("lines that ask")


def _kind(block: Sequence[Line]) -> str:
    first = block[0][1]
    if len(block) == 1 and is_heading(first):
        return "heading"
    return "question" if MARK.search(first) else "text"


def _blocks(lines: Sequence[str]) -> list[list[Line]]:
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    grouped = groupby(numbered, key=lambda each: is_gap(each[1]))
    return [list(block) for is_empty, block in grouped if not is_empty]


def _is_prose(block: Sequence[Line]) -> bool:
    """An answer's paragraph or list, not a title of a few words."""
    return all(ENDS.search(text) or len(text) > 40 for _, text in block)


def _without_number(question: str) -> str:
    match = NUMBERED.fullmatch(question)
    return match["text"].strip() if match else question.strip()
