"""Waiting requests, fair between adapters: nobody waits behind another adapter's backlog."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator

from .sequence import Sequence, Tenant


class FairQueue:
    def __init__(self) -> None:
        self._preempted: deque[Sequence] = deque()  # they have waited once
        self._waiting: OrderedDict[Tenant, deque[Sequence]] = OrderedDict()  # next turn first
        self._last: Tenant | None = None  # who had the last turn

    def __len__(self) -> int:
        return len(self._preempted) + sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[Sequence]:
        yield from self._preempted
        for sequences in self._waiting.values():
            yield from sequences

    def add(self, sequence: Sequence) -> None:
        self._waiting.setdefault(sequence.tenant, deque()).append(sequence)

    def put_back(self, sequence: Sequence) -> None:
        """Queue a preempted sequence before everything else."""
        self._preempted.appendleft(sequence)

    def peek(self, running: Counter[Tenant]) -> Sequence | None:
        """The next one: of the adapter with the fewest running; of these, whose turn it is. Who had
        the last turn comes after all of them, also after one that has only just arrived."""
        if self._preempted:
            return self._preempted[0]
        tenant = min(
            self._waiting,
            key=lambda tenant: (running[tenant], tenant == self._last),
            default=None,
        )
        return None if tenant is None else self._waiting[tenant][0]

    def take(self, sequence: Sequence) -> None:
        """Take out what `peek` chose, and pass its adapter's turn on."""
        is_turn = sequence not in self._preempted
        self.remove(sequence)
        if is_turn:
            self._last = sequence.tenant
            if self._last in self._waiting:
                self._waiting.move_to_end(self._last)

    def remove(self, sequence: Sequence) -> bool:
        """Take a sequence out, at no cost to its adapter's turn; False if it is not here."""
        if sequence in self._preempted:
            self._preempted.remove(sequence)
            return True
        sequences = self._waiting.get(sequence.tenant)
        if not sequences or sequence not in sequences:
            return False
        sequences.remove(sequence)
        if not sequences:
            del self._waiting[sequence.tenant]
        return True

    def clear(self) -> None:
        self._preempted.clear()
        self._waiting.clear()
