"""What stands above or before each message: a time and a name on one line, in one of many forms."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from data.reading.dialogues.role_words import LABELLED, ROLES, find_role, label_of

from .stamps import DATE_LINE, END, LEAD, MARKS, STAMP, TURNED, Numbers, Stamp, date_of, stamp_of

FEWEST = 3  # heads
SAMPLE = 400  # lines with text that decide
ABOVE = 20  # lines with text above the first head, at most
APART = 0.75  # of the heads above their text that have an empty line above
NEAR = 0.8  # of the most heads: a more general form may find some in texts
SHARE = 20  # lines with text for each head, at most
LEVELS = "info error warn warning debug trace fatal notice critical"  # of logs
DAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun am pm"
    " today yesterday 今天 昨天"
)
NO_NAMES = frozenset(f"{LEVELS} {DAYS}".split())
S = r"\s{0,20}"
NAME = rf"[{MARKS}]*(?P<name>(?![-–—<\[(（【\s])[^\n\t:：]{{1,60}}?)"
BELOW = rf"[{MARKS}]*(?P<name>(?![-–—\s])[^\n\t:：。！？!?，]{{1,40}}?)"
BEFORE = r"(?P<name>(?![-–—\s\[(（<]|[\d\s.,，/年月日-]+[\s\[(（])[^\n\t:：。！？!?，]{1,40}?)"
RECORDED = r"(?P<name>(?:说话人|发言人|發言人|講者|speaker|spk)\s?\d{1,3})"
LIKELY = re.compile(rf"{LEAD}.{{0,45}}\d[-./年]\s?\d.{{0,20}}\d[:：.]\d\d")
TEXT = r"\s?(?P<text>.*)"
FROM = "(?:from|de|von|da|从|從|來自|来自|发件人|寄件者)"
TO = r"\s+(?:to|à|a|an|para|发送至|至|到|傳送至|給)\s+[^\n:：]{1,80}?"
SENT = rf"(?:[*•-]\s+)?{FROM}\s+{NAME}{TO}:?\s+\(?{STAMP}\)?"  # as Zoom's messages are copied
OPEN, CLOSE = rf"[\[（(【][{MARKS}]*", rf"[{MARKS}]*[\]）)】]"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a message, or of a note where it names nobody; its lines are [line, end)."""

    line: int
    end: int
    stamp: Stamp | None
    speaker: str | None
    text: str = ""  # behind it


Heads = dict[int, Head]  # by the first line


@dataclass(frozen=True, slots=True)
class HeadForm:
    name: str
    head: re.Pattern[str]
    note: re.Pattern[str] | None = None  # a head that names nobody
    has_text: bool = True  # on the head's line

    def is_note(self, line: str) -> bool:
        return self.note is not None and self.note.fullmatch(line) is not None

    def matches(self, lines: Sequence[str]) -> dict[int, re.Match[str]]:
        """The matches by line. Where heads have dates, or empty lines above, what has none is text;
        but not where a name comes again."""
        found = of_one_shape(
            {at: match for at, line in enumerate(lines) if (match := self.head.fullmatch(line))}
        )
        apart = {at: match for at, match in found.items() if not at or not lines[at - 1].strip()}
        if self.has_text or len(apart) <= APART * len(found):
            return found
        names = {match["name"] for match in apart.values()}
        return {at: match for at, match in found.items() if match["name"] in names}


def of_one_shape(found: Mapping[int, re.Match[str]]) -> dict[int, re.Match[str]]:
    """Those whose dates have as many numbers as most of them."""
    nums = {at: len([*filter(None, date_of(match) or ())]) for at, match in found.items()}
    [(usual, _)] = Counter(nums.values()).most_common(1) or [(0, 0)]
    return {at: match for at, match in found.items() if nums[at] == usual}


def _form(name: str, head: str, note: str | None = None, *, has_text: bool = True) -> HeadForm:
    flags = re.IGNORECASE
    compiled = re.compile(rf"{LEAD}{note}(?P<text>.*)", flags) if note else None
    return HeadForm(name, re.compile(LEAD + head, flags), compiled, has_text)


FORMS = (
    _form("zoom", rf"{STAMP}\s+{FROM}\s+{NAME}(?:{TO})?{S}[:：]{TEXT}"),
    _form("zoom behind", rf"{SENT}:\s+(?P<text>\S.*)"),
    _form("zoom above", rf"{SENT}{S}:?{S}", has_text=False),
    _form("dash", rf"{STAMP}{S}[-–—]\s+{NAME}[:：]{TEXT}", rf"{STAMP}{S}[-–—]\s+"),
    _form("bracket", rf"{OPEN}{STAMP}{END}{CLOSE}{S}{NAME}[:：]{TEXT}", rf"{OPEN}{STAMP}{CLOSE}"),
    _form("turned", rf"\[{TURNED}\]{S}{NAME}[:：]{TEXT}", rf"\[{TURNED}\]"),
    _form("turned dash", rf"{TURNED}{S}[-–—]\s+{NAME}[:：]{TEXT}", rf"{TURNED}{S}[-–—]\s+"),
    _form("tabs", rf"{STAMP}\t(?P<name>[^\t\n:：]{{1,60}})\t(?P<text>.*)", rf"{STAMP}\t\t"),
    _form("colon", rf"{STAMP}:\s+{NAME}:{TEXT}", rf"{STAMP}:\s+"),
    _form("plain", rf"{STAMP}{END}[,，]?\s+{NAME}{S}[:：]{TEXT}", rf"{STAMP}\s+"),
    _form("square", rf"\[(?P<name>[^\[\]\n]{{1,40}})\]{S}\[{STAMP}\]{TEXT}"),
    _form("behind", rf"{BEFORE}{S}[\[（(\s]{STAMP}{END}[\])）]?{S}[:：]{S}(?P<text>\S.*)"),
    _form("recorded", rf"{RECORDED}\s+{STAMP}{S}(?P<text>[^\s:：].*)"),
    _form(
        "name behind",
        rf"(?:{OPEN})?{STAMP}{END}(?:{CLOSE})?\s+{BELOW}{S}",
        rf"{STAMP}\s+",
        has_text=False,
    ),
    _form(
        "name before",
        rf"{BEFORE}[,，]?(?:{S}[—–|·-])?{S}[\[（(\s]{STAMP}{END}[\])）]?{S}[:：]?{S}",
        has_text=False,
    ),
)


def find_form(lines: Sequence[str]) -> HeadForm | None:
    """The first of those that most heads have, if they are enough and tell of two speakers."""
    with_text = islice((at for at, line in enumerate(lines) if line.strip()), SAMPLE)
    sample = lines[: max(with_text, default=0) + 1]
    found = {form.name: form.matches(sample) for form in FORMS}
    named = {name: _num_named_again(matches) for name, matches in found.items()}
    enough = NEAR * max(named.values())
    best = next(form for form in FORMS if named[form.name] >= enough)
    return best if _is_chat(best, found[best.name], sample) else None


def _num_named_again(heads: Mapping[int, re.Match[str]]) -> int:
    """The heads whose name others have, too: what a form finds in texts names somebody new."""
    counts = Counter(match["name"] for match in heads.values())
    return sum(count for count in counts.values() if count > 1)


def _is_chat(form: HeadForm, heads: Mapping[int, re.Match[str]], sample: Sequence[str]) -> bool:
    names = {match["name"].strip().lower() for match in heads.values()}
    texts = {
        at
        for at, line in enumerate(sample)
        if at in heads or (line.strip() and not form.is_note(line))
    }
    if len(heads) < max(FEWEST, len(texts) / SHARE) or NO_NAMES & names:
        return False
    is_dated = any(date_of(match) for match in heads.values())
    most = len(heads) - 1 if is_dated else max(2, len(heads) // 2)
    if not 2 <= len(names) <= most or (not form.has_text and len(texts) < 1.5 * len(heads)):
        return False
    others = {at: label for at in texts - heads.keys() if (label := _label(sample[at]))}
    labelled = [at for at, label in others.items() if find_role(label, ROLES)]
    above = [at for at in texts if at < min(heads)]
    if form.has_text and len(heads) < SHARE * sum(label in names for label in others.values()):
        return False  # a dialogue of which some turns have times
    return len(above) <= ABOVE and len(labelled) < len(heads) and not {*above} & {*labelled}


def _label(line: str) -> str | None:
    """What a dialogue's turn would begin with."""
    match = LABELLED.fullmatch(line)
    return label_of(match).lower() if match else None


def heads_of(lines: Sequence[str], form: HeadForm) -> Heads:
    """Where heads have no date, a line that is one tells it for all below."""
    matches = form.matches(lines)
    stamps = {at: stamp_of(match) for at, match in matches.items()}
    shapes = {_shape(stamp) for stamp in stamps.values()}
    is_undated = any(not num_numbers for num_numbers, _ in shapes)
    heads: Heads = {}
    day: Numbers | None = None
    for at, line in enumerate(lines):
        match = matches.get(at)
        if match:
            stamp = stamps[at] if stamps[at].date else replace(stamps[at], date=day)
            text = match["text"] if form.has_text else ""
            heads[at] = Head(at, at + 1, stamp, match["name"], text)
        elif (note := _note(lines, at, form)) and _shape(stamp_of(note)) in shapes:
            heads[at] = Head(at, at + 1, None, None, note["text"])
        elif is_undated and (found := DATE_LINE.fullmatch(line)) and found["three"]:
            day = date_of(found)
            heads[at] = Head(at, at + 1, None, None)
    return heads


def _shape(stamp: Stamp) -> tuple[int, bool]:
    return len([*filter(None, stamp.date or ())]), stamp.is_pair


def _note(lines: Sequence[str], at: int, form: HeadForm) -> re.Match[str] | None:
    """Where heads stand above their text, a note has an empty line above it."""
    stands = form.has_text or at == 0 or not lines[at - 1].strip()
    return form.note.fullmatch(lines[at]) if form.note and stands else None


def looks_like_head(line: str) -> bool:
    """Whether a line looks like a head with a whole date, and text behind it."""
    return LIKELY.match(line) is not None and any(
        match["three"] or match["named"]
        for form in FORMS
        if form.has_text and (match := form.head.fullmatch(line))
    )
