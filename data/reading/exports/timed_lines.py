"""Heads on lines of their own: a time, and a name before the text below it, or alone beside it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from data.reading.dialogues.role_words import LABELLED, ROLES, find_role, label_of

from .heads import FEWEST, SAMPLE, Head, Heads, of_one_shape
from .speakers import Part
from .stamps import END, LEAD, MARKS, STAMP, Stamp, stamp_of
from .subtitles import VOICE

ARROW = " --> "  # between the times of a cue
LONGEST = 60  # [characters] of a line that is a time
SHARE = 0.8  # of the times, at least, that have a name beside them
CUES = 0.1  # of subtitles: what one says may take many
AROUND = rf"[{MARKS}\[\](){{}}（）【】—–\s-]*+"
TIME = re.compile(rf"{AROUND}{STAMP}{END}{AROUND}", re.IGNORECASE)
PERSON = r"(?P<name>[^\W\d_][^:：\n。！？!?，,;；]{0,29}?|\+\d[\d ()-]{6,20})\s{0,9}"
LABEL = re.compile(rf"{LEAD}(?:[-–>]{{1,3}}\s?)?{PERSON}[:：](?P<text>.*)")
BARE = re.compile(rf"{LEAD}(?P<bracket>[(（])?{PERSON}[)）]?")

Times = Mapping[int, Stamp]  # by the line that holds nothing else
Beside = Mapping[int, int]  # by a time's line, that of a name
Roles = Mapping[str, Part]


def timed_heads(lines: Sequence[str], roles: Roles, *, are_cues: bool) -> Heads | None:
    """None where no names stand beside times. A cue without a name goes on with the last one's."""
    sample = filter(_time, islice(filter(str.strip, lines), SAMPLE))
    if not are_cues and len([*islice(sample, FEWEST)]) < FEWEST:
        return None
    found = {
        at: match
        for at, line in enumerate(lines)
        if (not are_cues or ARROW in line) and (match := _time(line))
    }
    times = {at: stamp_of(match) for at, match in of_one_shape(found).items()}
    below = {at: next_ for at in times if (next_ := _below(lines, at, times)) is not None}
    share = (CUES if are_cues else SHARE) * len(times)
    names = _labels(lines, below, roles)
    if len(names) >= share and (are_cues or len({*names}) <= max(2, len(times) // 2)):
        known = {name for name, part in roles.items() if part != "text"}
        heads = _labelled(lines, times, below, known.union(names), are_cues=are_cues)
        return heads if len({head.speaker for head in heads.values()} - {None}) > 1 else None
    above = {at: at - 1 for at in times if at}
    return _beside(lines, times, below) or _beside(lines, times, above)


def _time(line: str) -> re.Match[str] | None:
    return TIME.fullmatch(line) if len(line) <= LONGEST else None


def _below(lines: Sequence[str], at: int, times: Times) -> int | None:
    """The next line with text, if no other time stands before it."""
    following = range(at + 1, len(lines))
    found = next((next_ for next_ in following if lines[next_].strip()), None)
    return None if found in times else found


def _labels(lines: Sequence[str], below: Beside, roles: Roles) -> list[str]:
    found = (read_label(lines[at]) for at in below.values())
    names = [label[0].lower() for label in found if label]
    return [name for name in names if roles.get(name) != "text"]


def read_label(line: str) -> tuple[str, str] | None:
    """A name and what is said: of a voice, or behind a colon, perhaps with brackets or an age."""
    if voice := VOICE.match(line):
        return voice["name"], line[voice.end() :]
    match = LABELLED.fullmatch(line)
    if match and not label_of(match)[0].isdigit():
        return label_of(match), match["text"]
    match = LABEL.fullmatch(line)
    return (match["name"], match["text"]) if match else None


def _labelled(
    lines: Sequence[str], times: Times, below: Beside, names: set[str], *, are_cues: bool
) -> Heads:
    """The heads of messages, which these names and role words begin between the times, too. A time
    with nothing below it may be text: it is named as what nobody said."""
    heads: Heads = {}
    labels = {
        at: label
        for at, line in enumerate(lines)
        if at not in times and (label := read_label(line))
        if label[0].lower() in names or find_role(label[0], ROLES)
    }
    last = None
    for at in sorted({*times, *labels}):
        if at in labels:
            last, text = labels[at]
            heads[at] = Head(at, at + 1, None, last, text)
        else:
            is_named = below.get(at) in labels
            text = lines[at] if at not in below and not are_cues else ""
            name = last if are_cues and not is_named else None
            heads[at] = Head(at, at + 1, times[at], name, text)
    return heads


def _beside(lines: Sequence[str], times: Times, beside: Beside) -> Heads | None:
    """Names that recur on lines of their own, if almost all times have one; in brackets, a second
    one below a time, too."""
    alone = {at: match for at, line in enumerate(lines) if (match := BARE.fullmatch(line))}
    counts = Counter(match["name"] for match in alone.values())
    names = {at: alone[other]["name"] for at, other in beside.items() if other in alone}
    named = {at: name for at, name in names.items() if counts[name] > 1}
    recurring = {*named.values()}
    if len(recurring) < 2 or len(named) < SHARE * len(times):
        return None
    heads: Heads = {}
    for at, stamp in times.items():
        begin, end = sorted((at, beside[at])) if at in named else (at, at)
        heads[begin] = Head(begin, end + 1, stamp, named.get(at))
    for at, match in alone.items():
        if match["bracket"] and match["name"] in recurring and at - 1 not in heads:
            heads[at] = Head(at, at + 1, None, match["name"])
    return heads
