"""A kind of personal data: its names, and how it is found in a text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .signs import Signs

Spans = Iterator[tuple[int, int]]

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters, for use in a class


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    chinese_name: str
    signs: Signs
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


def all_of(*finds: Callable[[str], Spans]) -> Callable[[str], Spans]:
    return lambda text: (span for find in finds for span in find(text))


def where(sign: str, find: Callable[[str], Spans]) -> Callable[[str], Spans]:
    """What is found in texts that match the sign too, a pattern that is seen fast."""
    pattern = re.compile(sign)

    def find_there(text: str) -> Spans:
        if pattern.search(text):
            yield from find(text)

    return find_there
