"""Which adapters are in memory: loaded on first use, dropped least recently used, never in use."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from serving.engine import AdapterRef, Blend

Weights = TypeVar("Weights")


def _one(_: object) -> int:
    return 1


def _nothing(_: object) -> None:
    pass


class Residents(Generic[Weights]):
    """Owns the adapters' weights; `load` makes them from an AdapterRef.

    `limit` is on the sum of `size(weights)`, which by default counts adapters. `free` is told of
    weights that are dropped.
    """

    def __init__(
        self,
        load: Callable[[AdapterRef], Weights],
        limit: int,
        size: Callable[[Weights], int] = _one,
        free: Callable[[Weights], None] = _nothing,
    ) -> None:
        self._load = load
        self._free = free
        self.limit = limit
        self._size = size
        self.total = 0  # of all sizes
        self.num_loads = 0
        self.num_evictions = 0
        self._weights: OrderedDict[str, Weights] = OrderedDict()  # by sha256, oldest use first
        self._uses: Counter[str] = Counter()
        self._doomed: set[str] = set()  # to be dropped once unused

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._weights

    def __getitem__(self, sha256: str) -> Weights:
        """The weights of an adapter that is in memory; one to be dropped is dropped still."""
        return self._weights[sha256]

    def num_uses(self, sha256: str) -> int:
        """How many requests pin an adapter."""
        return self._uses[sha256]

    def get(self, adapter: AdapterRef) -> Weights:
        """The adapter's weights, loaded if need be. Raises what `load` raises."""
        if adapter.sha256 not in self._weights:
            self.put(adapter, self._load(adapter))
        self._doomed.discard(adapter.sha256)
        self._weights.move_to_end(adapter.sha256)
        return self._weights[adapter.sha256]

    def put(self, adapter: AdapterRef, weights: Weights) -> None:
        """Take weights that were loaded elsewhere."""
        key = adapter.sha256
        self._doomed.discard(key)
        if key not in self._weights:
            self._weights[key] = weights
            self.total += self._size(weights)
            self.num_loads += 1
            self._evict(keep=key)

    def adopt(
        self, others: "Residents[Weights]", convert: Callable[[Weights], Weights | None]
    ) -> None:
        """Take what others have in memory, in its order of use, where it can be converted; their
        counts go on here."""
        for key, weights in others._weights.items():
            converted = convert(weights)
            if converted is not None:
                self._weights[key] = converted
                self.total += self._size(converted)
        self.num_loads, self.num_evictions = others.num_loads, others.num_evictions

    def pin(self, blend: Blend) -> None:
        """Hold a request's adapters in memory; all of them or, if one cannot be loaded, none."""
        pinned: list[AdapterRef] = []
        try:
            for adapter, _ in blend:
                self.get(adapter)
                self._uses[adapter.sha256] += 1
                pinned.append(adapter)
        except BaseException:
            for adapter in pinned:
                self._unpin(adapter.sha256)
            self._evict()
            raise

    def unpin(self, blend: Blend) -> None:
        for adapter, _ in blend:
            self._unpin(adapter.sha256)
        self._evict()

    def drop(self, adapter: AdapterRef) -> int:
        """Forget an adapter as soon as no request uses it. Returns its size."""
        weights = self._weights.get(adapter.sha256)
        if weights is None:
            return 0
        self._doomed.add(adapter.sha256)
        self._evict()
        return self._size(weights)

    def _unpin(self, key: str) -> None:
        self._uses[key] -= 1
        if not self._uses[key]:
            del self._uses[key]

    def _evict(self, keep: str | None = None) -> None:
        for key in list(self._weights):
            is_free = key not in self._uses and key != keep
            if is_free and (key in self._doomed or self.total > self.limit):
                weights = self._weights.pop(key)
                self.total -= self._size(weights)
                self._doomed.discard(key)
                self.num_evictions += 1
                self._free(weights)
