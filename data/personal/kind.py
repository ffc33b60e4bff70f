"""A kind of personal data: its names, and how it is found in a text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Spans = Iterator[tuple[int, int]]

DIGITS = re.compile("[0-9]{3}")
HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters, for use in a class


@dataclass(frozen=True, slots=True)
class Kind:
    """A text with none of its words and signs has nothing of a kind: that is seen much faster than
    what `find` sees."""

    name: str
    chinese_name: str
    words: str  # divided by |
    signs: tuple[re.Pattern[str], ...]
    find: Callable[[str], Spans]


def by_patterns(
    *patterns: re.Pattern[str], is_valid: Callable[[str], bool] | None = None
) -> Callable[[str], Spans]:
    """What the patterns match; of a pattern with a group `it`, that part alone."""

    def find(text: str) -> Spans:
        for pattern in patterns:
            group = "it" if "it" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                if is_valid is None or is_valid(match[group]):
                    yield match.span(group)

    return find
