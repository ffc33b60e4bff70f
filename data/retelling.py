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
FEWEST = 8  # letters of its own, for a sentence to be known by


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
            return sentence.tell({name: _filling(each, spoken) for name, each in found.items()})
    return said


def _filling(value: str, spoken: Language) -> str:
    """A name stays, whatever it means; what has several words may be a sentence itself."""
    return _retell(value, spoken) if " " in value else value


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
        """Letters."""
        return sum(map(str.isalnum, "".join(self.pieces)))

    def read(self, said: str) -> dict[str, str] | None:
        """What fills its places in a sentence, each as short as it can be; None where that is
        another one."""
        first, *between, last = self.pieces
        if not said.startswith(first) or not said.endswith(last):
            return None
        begins, found = len(first), dict[str, str]()
        names = FILLED.split(self.english)[1::2]
        for name, piece in zip(names, [*between, None], strict=True):
            ends = len(said) - len(last) if piece is None else said.find(piece, begins + 1)
            if ends <= begins or found.setdefault(name, said[begins:ends]) != said[begins:ends]:
                return None
            begins = ends + len(piece or "")
        return found

    def tell(self, filling: Mapping[str, str]) -> str:
        """The sentence in the other language, with what fills it."""
        return FILLED.sub(lambda place: filling[place[1]], self.own)


@cache
def _filled_sentences(spoken: Language) -> Sequence[_Filled]:
    """Those with the most words of their own first."""
    both = [_Filled(*each) for each in catalogue(spoken).items() if FILLED.search(each[0])]
    usable = [each for each in both if each.num_own >= FEWEST and all(each.pieces[1:-1])]
    return sorted(usable, key=lambda each: -each.num_own)
