"""Every place in a text that looks like personal data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .accounts import E_MAIL, QQ, WECHAT
from .addresses import ADDRESS
from .births import BIRTH_DATE
from .kind import Kind
from .names import CHINESE_NAME, ENGLISH_NAME
from .numbers import (
    BANK_CARD,
    IDENTITY_CARD,
    INSURANCE,
    LABELLED_BANK_CARD,
    LABELLED_IDENTITY_CARD,
    MEDICAL_RECORD,
    PASSPORT,
    PHONE,
    PLATE,
    SOCIAL_SECURITY,
)

# Of two that begin at the same place and are of the same length the first is meant.
KINDS = (
    E_MAIL,
    IDENTITY_CARD,
    LABELLED_IDENTITY_CARD,
    SOCIAL_SECURITY,
    INSURANCE,
    MEDICAL_RECORD,
    PASSPORT,
    WECHAT,
    QQ,
    PHONE,
    BANK_CARD,
    LABELLED_BANK_CARD,
    PLATE,
    BIRTH_DATE,
    ADDRESS,
    CHINESE_NAME,
    ENGLISH_NAME,
)


def _signs(*kinds: Kind, in_ascii: bool = False) -> tuple[re.Pattern[str], ...]:
    """The words and signs of all these kinds, in few patterns; of ASCII texts only what may be
    there."""
    words = [word for kind in kinds for word in kind.words.split("|") if word]
    signs = dict.fromkeys(sign for kind in kinds for sign in kind.signs)
    if in_ascii:
        words = [word for word in words if word.isascii()]
        signs = [sign for sign in signs if sign.pattern.isascii()]
    return (*([re.compile("|".join(map(re.escape, words)))] if words else []), *signs)


SIGNS_OF = {kind: _signs(kind) for kind in KINDS}
# What most texts have nothing of. Chinese names have no sign that is worth a look of its own.
SIGNED = [kind for kind in KINDS if kind is not CHINESE_NAME]
SIGNS = {in_ascii: _signs(*SIGNED, in_ascii=in_ascii) for in_ascii in (False, True)}


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    begin: int
    end: int


def find_personal(text: str) -> Iterator[Found]:
    """Every place once, from the first on."""
    is_ascii = text.isascii()
    if any(sign.search(text) for sign in SIGNS[is_ascii]):
        kinds = [kind for kind in KINDS if any(sign.search(text) for sign in SIGNS_OF[kind])]
    elif is_ascii:
        return
    else:
        kinds = [CHINESE_NAME]
    found = [Found(kind, *span) for kind in kinds for span in kind.find(text)]
    end = 0
    for each in sorted(found, key=lambda each: (each.begin, -each.end, KINDS.index(each.kind))):
        if each.end > end:  # of two that overlap the second is what the first has left of it
            yield Found(each.kind, max(each.begin, end), each.end)
            end = each.end
