"""Signs: a text without any of a kind's has nothing of it, and that is seen fast."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """Python's patterns are fast where they begin with a literal or a class of few characters, and
    what begins so can be joined."""

    words: str = ""  # divided by |
    shapes: tuple[str, ...] = ()  # patterns, each of which begins with a class
    others: tuple[re.Pattern[str], ...] = ()  # of texts that are not ASCII


DIGITS = Signs(shapes=("[0-9][0-9]{2}",))


def any_of(signs: Sequence[Signs], *, in_ascii: bool = False) -> tuple[re.Pattern[str], ...]:
    """Patterns one of which matches where one of the signs is there; with `in_ascii` without those
    that cannot be in an ASCII text."""
    words = dict.fromkeys(word for each in signs for word in each.words.split("|") if word)
    shapes = dict.fromkeys(shape for each in signs for shape in each.shapes)
    if in_ascii:
        words = [word for word in words if word.isascii()]
        shapes = [shape for shape in shapes if re.search("[!-~]", _split(shape)[0])]
    patterns = ["|".join(map(re.escape, words))] if words else []
    patterns += [_joined(list(map(_split, shapes)))] if shapes else []
    others = [] if in_ascii else [other for each in signs for other in each.others]
    return (*map(re.compile, patterns), *others)


def _split(shape: str) -> tuple[str, str]:
    """What stands in its first class, and the rest."""
    first, _, rest = shape[1:].partition("]")
    return first, rest


def _joined(shapes: list[tuple[str, str]]) -> str:
    firsts = "".join(dict.fromkeys(first for first, _ in shapes))
    return f"[{firsts}](?:{'|'.join(f'(?<=[{first}]){rest}' for first, rest in shapes)})"
