"""A chat template's marks that are plain text, as [INST] is: a model cannot tell a forged one."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from data.conversation import texts_in

OnMarks = Literal["refuse", "defuse"]  # what is done about them in people's texts

BREAK = "\u200b"  # zero-width space
TOKEN = "\0"  # stands for a control token here
# In brackets anywhere between two texts; headings and labels directly before a text.
SHAPES = re.compile(
    r"""
      (?P<bracketed> [<\[{【|]+ [/|｜]? [^\s<>\[\]{}【】|｜\0]{1,40} [|｜]? [>\]}】|]+ )
    | (?P<headed> \#{2,}\ *[^\n\0\#]{1,40}? ) (?= \s* \Z )
    | (?P<label> (?<!\w) [^\W\d_] [\w'\ -]{0,30} [:：] ) (?= \s* \Z )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """`begins_line`: it is one at the beginning of a line alone, as `User:` is."""

    text: str
    begins_line: bool

    @property
    def pattern(self) -> str:
        before = r"(?<![^\n])" if self.begins_line else r"(?<!\w)" if self.text[0].isalpha() else ""
        return before + re.escape(self.text)


class PlainMarks:
    """Finds the marks in texts, and breaks them."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        longest_first = sorted(marks, key=lambda mark: len(mark.text), reverse=True)
        self.marks = tuple(longest_first)
        self._pattern = re.compile("|".join(mark.pattern for mark in self.marks) or r"(?!)")

    def __bool__(self) -> bool:
        return bool(self.marks)

    def find_in(self, value: Any) -> list[str]:
        """The marks in a text, or in any JSON with texts."""
        texts = texts_in(value) if self.marks else ()
        return [mark for text in texts for mark in self._pattern.findall(text)]

    def defuse(self, text: str) -> str:
        """The text with an invisible space in each mark."""
        return self._pattern.sub(lambda match: match[0][0] + BREAK + match[0][1:], text)


def marks_of(
    renderings: Iterable[str], texts: Collection[str], tokens: Collection[str]
) -> PlainMarks:
    """What a template writes around `texts`, which are in the renderings, and looks like a mark.

    Words alone, such as a role's name behind a token, are none: nothing follows from them. Nor
    are sentences of its own.
    """
    longest_first = sorted(tokens, key=len, reverse=True)
    is_token = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
    is_text = re.compile("|".join(map(re.escape, texts)))
    found: dict[str, bool] = {}
    for rendering in renderings:
        first, *gaps = is_text.split(is_token.sub(TOKEN, rendering))
        # A template may begin with instructions: what counts stands directly before the first text.
        begin = max(map(first.rstrip().rfind, ("\n", TOKEN))) + 1
        for gap in ("\n" + first[begin:], *gaps):
            for text, begins_line in _marks_in(gap):
                found[text] = found.get(text, True) and begins_line
    return PlainMarks(Mark(text, begins_line) for text, begins_line in found.items())


def _marks_in(gap: str) -> Iterator[tuple[str, bool]]:
    for match in SHAPES.finditer(gap):
        before = gap[: match.start()].rstrip(" ")
        begins_line = match["label"] is not None and before.endswith(("\n", TOKEN))
        yield match[0].strip(), begins_line
