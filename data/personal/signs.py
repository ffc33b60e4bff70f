"""Signs: a text without any of a kind's has nothing of it, and that is seen fast."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """Python's patterns are fast where they begin with a letter or a class of few characters, and
    what begins so can be joined."""

    words: str = ""  # divided by |
    shapes: tuple[str, ...] = ()  # patterns, each of which begins with a class
    others: tuple[re.Pattern[str], ...] = ()  # for texts that are not ASCII


DIGITS = Signs(shapes=("[0-9][0-9]{2}",))


@dataclass(frozen=True, slots=True)
class Look:
    """One pattern for what many have in common, and each one's own."""

    joined: re.Pattern[str]
    own: tuple[tuple[Signs, re.Pattern[str]], ...]


def looks_for(kinds: Iterable[Signs], *, in_ascii: bool) -> list[Look]:
    """The fewest that see all signs, of ASCII texts those alone that may be there."""
    words = {signs: _words(signs, in_ascii) for signs in kinds}
    shapes = {signs: _shapes(signs, in_ascii) for signs in kinds}
    looks = [_look(words, _any_word), _look(shapes, _any_shape)]
    if not in_ascii:
        looks += [Look(other, ((signs, other),)) for signs in words for other in signs.others]
    return looks


def _look(parts: dict[Signs, list[str]], join: Callable[[list[str]], str]) -> Look:
    own = tuple((signs, re.compile(join(each))) for signs, each in parts.items() if each)
    every = dict.fromkeys(part for each in parts.values() for part in each)
    return Look(re.compile(join(list(every))), own)


def _words(signs: Signs, in_ascii: bool) -> list[str]:
    return [word for word in signs.words.split("|") if word and (word.isascii() or not in_ascii)]


def _shapes(signs: Signs, in_ascii: bool) -> list[str]:
    return [s for s in signs.shapes if not in_ascii or re.search("[!-~]", _first_class(s))]


def _any_word(words: list[str]) -> str:
    rests = defaultdict[str, list[str]](list)
    for word in words:
        rests[word[0]].append(re.escape(word[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items())


def _any_shape(shapes: list[str]) -> str:
    firsts = dict.fromkeys(map(_first_class, shapes))
    branches = (f"(?<=[{_first_class(s)}]){s.partition(']')[2]}" for s in shapes)
    return f"[{''.join(firsts)}](?:{'|'.join(branches)})"


def _first_class(shape: str) -> str:
    return shape[1:].partition("]")[0]
