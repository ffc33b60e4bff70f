"""The sequences of one context: who computes in which, and what is still there for others.

Numbers only: no llama.cpp here.
"""

import itertools
from dataclasses import dataclass, field
from typing import Protocol


class SequenceMemory(Protocol):
    """Where keys and values are."""

    @property
    def remembers_all(self) -> bool:
        """Whether a sequence's beginning is still there, whatever has come after it."""
        ...

    def forget(self, sequence: int, start: int) -> None: ...

    def copy(self, source: int, target: int, end: int) -> None: ...


@dataclass(slots=True, eq=False)
class Slot:
    number: int
    token_ids: list[int] = field(default_factory=list[int])  # whose keys and values are there
    num_promised: int = 0  # cells of the request that computes here; 0: nobody does
    last_use: int = 0

    @property
    def is_free(self) -> bool:
        return self.num_promised == 0

    @property
    def num_taken(self) -> int:
        """Cells that it may fill; those that it shares are counted twice."""
        return self.num_promised or len(self.token_ids)


class Slots:
    """Owns a context's cells. A request is promised all that it can need, so none runs dry."""

    def __init__(
        self, num_slots: int, num_cells: int, memory: SequenceMemory, num_kept: int
    ) -> None:
        self.num_cells = num_cells
        self._num_kept = num_kept  # cells of those who are gone, beyond the last one's
        self._memory = memory
        self._slots = [Slot(number) for number in range(num_slots)]
        self._clock = itertools.count(1)

    @property
    def num_promised(self) -> int:
        return sum(slot.num_promised for slot in self._slots)

    def can_take(self, need: int) -> bool:
        has_slot = any(slot.is_free for slot in self._slots)
        return has_slot and self.num_promised + need <= self.num_cells

    def take(self, prompt_ids: list[int], need: int) -> Slot:
        """A slot that has as much of the prompt as any, but for the last token; `can_take` first.

        `need` is in cells: the tokens of prompt and answer.
        """
        best = max(self._slots, key=lambda slot: (self._shared(slot, prompt_ids), slot.is_free))
        shared = self._shared(best, prompt_ids)
        slot = self._free[0]
        if slot is best or (best.is_free and 2 * shared >= len(best.token_ids)):
            slot = best
            self._cut(slot, shared)
        else:
            self._cut(slot, 0)
            if shared:
                self._memory.copy(best.number, slot.number, shared)
                slot.token_ids = best.token_ids[:shared]
        slot.num_promised = need
        self._make_room()
        return slot

    def release(self, slot: Slot) -> None:
        """Its tokens stay for whoever begins with the same ones, and the oldest ones go."""
        slot.num_promised = 0
        slot.last_use = next(self._clock)
        others = [other for other in self._free if other is not slot]
        self._forget(others, sum(len(other.token_ids) for other in others) - self._num_kept)

    def _shared(self, slot: Slot, prompt_ids: list[int]) -> int:
        """How many of its tokens can be used. Without its beginning, a sequence can only go on."""
        shared = _common(slot, prompt_ids)
        if self._memory.remembers_all or (slot.is_free and shared == len(slot.token_ids)):
            return shared
        return 0

    def _cut(self, slot: Slot, end: int) -> None:
        if len(slot.token_ids) <= end:
            return
        self._memory.forget(slot.number, end)
        del slot.token_ids[end:]

    def _make_room(self) -> None:
        """Forget what nobody computes with until all promises can be kept."""
        self._forget(self._free, sum(slot.num_taken for slot in self._slots) - self.num_cells)

    def _forget(self, slots: list[Slot], surplus: int) -> None:
        """Empty slots, the first ones first, until they hold so many cells less."""
        for slot in slots:
            if surplus <= 0:
                return
            surplus -= len(slot.token_ids)
            self._cut(slot, 0)

    @property
    def _free(self) -> list[Slot]:
        """Where nobody computes, those that were used longest ago first."""
        return sorted((s for s in self._slots if s.is_free), key=lambda slot: slot.last_use)


def _common(slot: Slot, prompt_ids: list[int]) -> int:
    """How many tokens the slot has in common with a prompt, whose last one is always computed."""
    least, most = 0, min(len(slot.token_ids), len(prompt_ids) - 1)
    while least < most:
        middle = (least + most + 1) // 2
        if slot.token_ids[least:middle] == prompt_ids[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least
