"""Which sets of adapters have a context: opened when asked for, closed least recently used."""

import itertools
from collections.abc import Callable, Iterator

from serving.engine import AdapterRef, Blend
from serving.requests.sequence import namespace

from .lane import Lane

PARTS = 8  # contexts that the memory is to suffice for, if they need not be larger
MOST = 2 * PARTS  # contexts, however small: each takes some memory besides its cells
LEAST = 2048  # [tokens] of a context, however little memory there is
ROUND = 256  # [tokens]; llama.cpp rounds up to these


class Lanes:
    """Owns the contexts. `open_lane` makes one of so many cells for a blend, `free` ends one."""

    def __init__(
        self,
        open_lane: Callable[[Blend, int], Lane],
        close_lane: Callable[[Lane], None],
        max_cells: int,
        context_length: int,
    ) -> None:
        self._open = open_lane
        self._close = close_lane
        self.max_cells = max_cells  # [tokens] of all contexts together; one may have more
        self._own_cells = min(max(max_cells // PARTS, LEAST), context_length)
        self._lanes: dict[str, Lane] = {}
        self._clock = itertools.count(1)

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))  # another thread may be asking for numbers

    @property
    def num_cells(self) -> int:
        return sum(lane.slots.num_cells for lane in self)

    @property
    def num_promised(self) -> int:
        return sum(lane.slots.num_promised for lane in self)

    def find(self, blend: Blend, need: int) -> Lane | None:
        """A lane that can take a request now, or None: others have to end first.

        Raises ServingError where its adapters or its context cannot be had.
        """
        key = namespace(blend)
        lane = self._lanes.get(key)
        if lane is not None and not lane.rows and need > lane.slots.num_cells:
            self._end(key)
            lane = None
        if lane is not None:
            return lane if lane.slots.can_take(need) else None
        cells = -(-max(self._own_cells, need) // ROUND) * ROUND
        if not self._make_room(cells):
            return None
        lane = self._lanes[key] = self._open(blend, cells)
        return lane

    def next_turn(self) -> Lane | None:
        """The lane, of those with requests, whose last turn was longest ago."""
        lane = min((lane for lane in self if lane.rows), key=_last_turn, default=None)
        if lane is not None:
            lane.last_turn = next(self._clock)
        return lane

    def doom(self, adapter: AdapterRef) -> None:
        """Close what an adapter is used in, as soon as nobody computes there."""
        for lane in self:
            lane.is_doomed |= any(ref.sha256 == adapter.sha256 for ref, _ in lane.blend)
        self.end_doomed()

    def end_doomed(self) -> None:
        for key in [key for key, lane in self._lanes.items() if lane.is_doomed and not lane.rows]:
            self._end(key)

    def end_oldest(self, *, with_adapters: bool = False) -> bool:
        """Close the one that was last used longest ago, of those where nobody computes."""
        idle = [
            key
            for key, lane in self._lanes.items()
            if not lane.rows and (lane.blend or not with_adapters)
        ]
        if idle:
            self._end(min(idle, key=lambda key: self._lanes[key].last_turn))
        return bool(idle)

    def clear(self) -> None:
        """Close all, whoever computes there."""
        for key in list(self._lanes):
            self._end(key)

    def _make_room(self, cells: int) -> bool:
        """Close what nobody computes in, until there are so many cells; one alone may have more.

        False, and nothing is closed, where that would not be enough.
        """
        busy = [lane for lane in self if lane.rows]
        kept = sum(lane.slots.num_cells for lane in busy)
        if busy and (kept + cells > self.max_cells or len(busy) >= MOST):
            return False
        while self.num_cells + cells > self.max_cells or len(self._lanes) >= MOST:
            if not self.end_oldest():
                break
        return True

    def _end(self, key: str) -> None:
        self._close(self._lanes.pop(key))


def _last_turn(lane: Lane) -> int:
    return lane.last_turn
