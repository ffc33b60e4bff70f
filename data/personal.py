"""Personal data in texts, by pattern: what looks like a phone number or an identity card."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .conversation import Conversation

# Of the 18 digits of a Chinese identity card the last is a check digit (GB 11643-1999).
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"


def _is_chinese_id(text: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(text, ID_WEIGHTS, strict=False))
    return ID_CHECKS[total % 11] == text[-1].upper()


def _is_ssn(text: str) -> bool:
    """As the United States give them out: no part is zero, the first not 666 nor from 900 on."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool] = _always

    @property
    def replacement(self) -> str:
        return f"[{self.name}]"


# Not behind or before more digits or letters: order numbers hold such runs by chance.
KINDS = (
    Kind(
        "e-mail",
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[A-Za-z]{2,}(?!\w)", re.ASCII),
    ),
    Kind(
        "identity card",
        re.compile(
            r"(?<![0-9A-Za-z])[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}"
            r"[\dXx](?![0-9A-Za-z])"
        ),
        _is_chinese_id,
    ),
    Kind("social security number", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), _is_ssn),
    Kind(
        "phone number",
        re.compile(
            r"(?<![0-9A-Za-z])(?:(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"  # Chinese mobile
            r"|0\d{2,3}-\d{7,8}"  # Chinese landline
            r"|(?:\+?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4})(?![0-9A-Za-z])"  # American
        ),
    ),
)
LIKELY = re.compile(r"@|\d{2}")  # without it, none of them is there


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    begin: int
    end: int


def find_personal(text: str) -> Iterator[Found]:
    """Every place once, from the first on."""
    if not LIKELY.search(text):
        return
    found = [
        Found(kind, *match.span())
        for kind in KINDS
        for match in kind.pattern.finditer(text)
        if kind.is_valid(match[0])
    ]
    end = 0
    for each in sorted(found, key=lambda each: (each.begin, KINDS.index(each.kind))):
        if each.begin >= end:
            end = each.end
            yield each


def redact(text: str) -> str:
    """The text with every such place replaced by what it was, in brackets."""
    parts: list[str] = []
    end = 0
    for found in find_personal(text):
        parts += [text[end : found.begin], found.kind.replacement]
        end = found.end
    return "".join([*parts, text[end:]])


def redact_conversation(conversation: Conversation) -> Conversation:
    messages = (replace(each, content=redact(each.content)) for each in conversation.messages)
    return replace(conversation, messages=tuple(messages))
