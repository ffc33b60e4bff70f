"""Where the beginnings of prompts were computed, as far as one server alone has them.

Prompts are cut into blocks, each known by itself and all before it, as servers keep them. What
several servers have computed (a template's beginning, a persona) draws a prompt to none of them.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

BLOCK = 16  # [tokens]
MOST = 1 << 16  # blocks, of a hundred bytes or so


class Conversations:
    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._places: OrderedDict[int, str | None] = OrderedDict()  # None: several

    def find(self, name: str, prompt_ids: Sequence[int]) -> str | None:
        """Where most of a prompt of the model `name` was computed; None if nowhere, or anywhere."""
        found = None
        for block in _blocks(name, prompt_ids):
            if block not in self._places:
                break
            found = self._places[block]
        return found

    def note(self, name: str, prompt_ids: Sequence[int], place: str) -> None:
        for block in _blocks(name, prompt_ids):
            known = self._places.setdefault(block, place)
            self._places.move_to_end(block)
            if known != place:
                self._places[block] = None
        while len(self._places) > self._most:
            self._places.popitem(last=False)


def _blocks(name: str, prompt_ids: Sequence[int]) -> Iterator[int]:
    known = hash(name)
    for end in range(BLOCK, len(prompt_ids) + 1, BLOCK):
        known = hash((known, *prompt_ids[end - BLOCK : end]))
        yield known
