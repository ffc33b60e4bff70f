"""Which adapter is in which granules of the stacked weights. Imports no torch.

A granule is room for 16 ranks in every layer. An adapter stays where it is after its last
request, until its place is needed: least recently used goes first, one in use never.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping


class GranuleTable:
    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = list(range(capacity))
        self._places: OrderedDict[str, tuple[int, ...]] = OrderedDict()  # oldest use first
        self._uses: Counter[str] = Counter()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __getitem__(self, key: str) -> tuple[int, ...]:
        return self._places[key]

    def num_uses(self, key: str) -> int:
        return self._uses[key]

    def can_place(self, sizes: Mapping[str, int]) -> bool:
        """Whether these adapters (with their granules) could be in use together with those that
        are in use now."""
        missing = sum(size for key, size in sizes.items() if key not in self._places)
        idle = sum(
            len(places)
            for key, places in self._places.items()
            if key not in self._uses and key not in sizes
        )
        return missing <= len(self._free) + idle

    def hold(self, key: str, size: int) -> None:
        """Keep an adapter in place until released. Only after `can_place`."""
        self._uses[key] += 1
        if key not in self._places:
            while len(self._free) < size:
                self.evict(next(key for key in self._places if key not in self._uses))
            self._free.sort()
            self._places[key] = tuple(self._free[:size])
            del self._free[:size]
        self._places.move_to_end(key)

    def release(self, key: str) -> None:
        self._uses[key] -= 1
        if not self._uses[key]:
            del self._uses[key]

    def evict(self, key: str) -> None:
        """Forget an adapter's place; it must not be in use."""
        self._free.extend(self._places.pop(key))

    def idle(self) -> list[str]:
        """The adapters in place that are not in use."""
        return [key for key in self._places if key not in self._uses]

    def grow(self, capacity: int) -> None:
        self._free.extend(range(self.capacity, capacity))
        self.capacity = max(self.capacity, capacity)
