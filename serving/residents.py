"""Which adapters are in memory: loaded on first use, dropped least recently used, never in use."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from .engine import AdapterRef, Blend

Weights = TypeVar("Weights")


class Residents(Generic[Weights]):
    """Owns the adapters' weights; `load` makes them from an AdapterRef."""

    def __init__(self, load: Callable[[AdapterRef], Weights], limit: int) -> None:
        self._load = load
        self._limit = limit
        self._weights: OrderedDict[str, Weights] = OrderedDict()  # by sha256, oldest use first
        self._uses: Counter[str] = Counter()
        self._doomed: set[str] = set()  # to be dropped once unused

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._weights

    def get(self, adapter: AdapterRef) -> Weights:
        """The adapter's weights, loaded if need be. Raises what `load` raises."""
        key = adapter.sha256
        self._doomed.discard(key)
        if key not in self._weights:
            self._weights[key] = self._load(adapter)
            self._evict(keep=key)
        self._weights.move_to_end(key)
        return self._weights[key]

    def pinned(self, adapter: AdapterRef) -> Weights:
        """The weights of an adapter that a request holds; one to be dropped is dropped still."""
        return self._weights[adapter.sha256]

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

    def drop(self, adapter: AdapterRef) -> None:
        """Forget an adapter as soon as no request uses it."""
        if adapter.sha256 in self._weights:
            self._doomed.add(adapter.sha256)
            self._evict()

    def _unpin(self, key: str) -> None:
        self._uses[key] -= 1
        if not self._uses[key]:
            del self._uses[key]

    def _evict(self, keep: str | None = None) -> None:
        for key in list(self._weights):
            is_free = key not in self._uses and key != keep
            if is_free and (key in self._doomed or len(self._weights) > self._limit):
                del self._weights[key]
                self._doomed.discard(key)
