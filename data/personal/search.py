"""Every place in a text that looks like personal data."""

from collections.abc import Iterator
from dataclasses import dataclass

from .accounts import E_MAIL, QQ, WECHAT
from .addresses import ADDRESS
from .births import BIRTH_DATE
from .kind import Kind
from .names import CHINESE_NAME, ENGLISH_NAME, find_bare_names
from .numbers import (
    BANK_CARD,
    IDENTITY_CARD,
    INSURANCE,
    MEDICAL_RECORD,
    PASSPORT,
    PHONE,
    PLATE,
    SOCIAL_SECURITY,
)
from .signs import looks_for

# Of two that begin at the same place and are of the same length the first is meant.
KINDS = (
    E_MAIL,
    IDENTITY_CARD,
    SOCIAL_SECURITY,
    INSURANCE,
    MEDICAL_RECORD,
    PASSPORT,
    WECHAT,
    QQ,
    PHONE,
    BANK_CARD,
    PLATE,
    BIRTH_DATE,
    ADDRESS,
    CHINESE_NAME,
    ENGLISH_NAME,
)
NAMES = (CHINESE_NAME, ENGLISH_NAME)
LOOKS = [
    looks_for(dict.fromkeys(kind.signs for kind in KINDS), in_ascii=in_ascii)
    for in_ascii in (False, True)
]


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    begin: int
    end: int


def find_personal(text: str) -> Iterator[Found]:
    """Every place once, from the first on. Names that no word shows are looked for where something
    else is somebody's: elsewhere they may be a poet's or a president's."""
    seen = {
        signs
        for look in LOOKS[text.isascii()]
        if look.joined.search(text)
        for signs, pattern in look.own
        if pattern.search(text)
    }
    if not seen:  # most texts
        return
    found = [Found(kind, *span) for kind in KINDS if kind.signs in seen for span in kind.find(text)]
    if any(each.kind not in NAMES for each in found):
        found += [Found(CHINESE_NAME, *span) for span in find_bare_names(text)]
    yield from _apart(found)


def _apart(found: list[Found]) -> Iterator[Found]:
    """What was found, in order; of two that overlap the second is what the first has left of it."""
    end = 0
    for each in sorted(found, key=lambda each: (each.begin, -each.end, KINDS.index(each.kind))):
        if each.end > end:
            yield Found(each.kind, max(each.begin, end), each.end)
            end = each.end
