"""What was said in English and kept, told once more in the language that is spoken now.

A job's events, its failure and the reasons of a decision are read by people of either language,
long after they were said. They are kept as English sentences; which sentence of the catalogue one
is, is found by its words, and what filled it is put into the translation.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from .wording import Language, catalogue, language

FILLED = re.compile(r"\{(\w+)(?:![rsa])?(?::[^{}]*)?\}")
FEWEST = 4  # characters of its own, for a sentence to be known by


def retell(said: str) -> str:
    """The same in the spoken language, line by line; a line that is no sentence of the catalogue
    stays as it is."""
    spoken = language()
    if spoken == "en" or not said:
        return said
    return "".join(_retell(line, spoken) for line in re.split(r"(\n\s*)", said))


def _retell(said: str, spoken: Language) -> str:
    known = catalogue(spoken)
    if said in known:
        return known[said]
    for sentence in _filled_sentences(spoken):
        if (found := sentence.read(said)) is not None:
            return sentence.tell({name: _retell(each, spoken) for name, each in found.items()})
    return said


@dataclass(frozen=True)
class _Filled:
    """A sentence with places, in English and in another language."""

    english: str
    own: str

    @cached_property
    def pieces(self) -> Sequence[str]:
        """What stands before, between and behind its places."""
        return FILLED.split(self.english)[::2]

    @cached_property
    def num_own(self) -> int:
        return len("".join(self.pieces).strip())

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = FILLED.split(self.english)[1::2]
        places = [
            f"(?P<{name}>.+?)" if name not in names[:index] else f"(?P={name})"
            for index, name in enumerate(names)
        ]
        pieces = [re.escape(piece) for piece in self.pieces]
        return re.compile("".join(map("".join, zip(pieces, [*places, ""], strict=True))), re.DOTALL)

    def read(self, said: str) -> dict[str, str] | None:
        """What fills its places in a sentence; None where that is another one."""
        first, last = self.pieces[0], self.pieces[-1]
        if not said.startswith(first) or not said.endswith(last):
            return None
        found = self._pattern.fullmatch(said)
        return found.groupdict() if found else None

    def tell(self, filling: Mapping[str, str]) -> str:
        """The sentence in the other language, with what fills it."""
        return FILLED.sub(lambda place: filling[place[1]], self.own)


@cache
def _filled_sentences(spoken: Language) -> Sequence[_Filled]:
    """Those with the most words of their own first."""
    both = [_Filled(*each) for each in catalogue(spoken).items() if FILLED.search(each[0])]
    usable = [each for each in both if each.num_own >= FEWEST]
    return sorted(usable, key=lambda each: -each.num_own)
