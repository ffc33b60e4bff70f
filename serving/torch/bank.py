"""The adapters of the running requests, beside the base's weights.

`Residents` keeps adapters encoded and ready, as many as its budget allows. Those that running
requests hold have numbered granules. Compiled code computes with them where they lie; eager code
wants them stacked among the base's rows, so they are copied there before it takes a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.adapters.residents import Residents
from serving.engine import AdapterRef, Blend
from serving.errors import ServingError

from .architecture import GROUPS
from .encoder import EncodedAdapter, Encoder
from .granules import GranuleTable
from .linear import GRANULE, Linear
from .step import at_least

Ups = list[list[tuple[Any, ...]]]  # B by layer, group and part, [granules, 16, out]


@dataclass(frozen=True, slots=True)
class Placed:
    """A granule, and what it holds: the adapter's `number`-th 16 ranks."""

    granule: int
    key: str  # the adapter's
    number: int
    adapter: EncodedAdapter


class AdapterBank:
    """Owns the granules: which adapter is in which, and the stacks that eager code computes with.

    `linears[layer][group]` are the decoder's, whose rows hold A.
    """

    def __init__(
        self,
        encoder: Encoder,
        linears: Sequence[Sequence[Linear]],
        capacity: int,  # [granules] at first; more for a request that would not fit even alone
        num_bytes: int,  # of adapters in memory beyond those in use
    ) -> None:
        self.residents: Residents[EncodedAdapter] = Residents(
            encoder.load, num_bytes, lambda adapter: adapter.report.num_bytes
        )
        self.encoder = encoder
        self.generation = 0  # counts the times that tensors were replaced
        self._linears = linears
        self._table = GranuleTable(at_least(capacity))
        self._num_stacked = 0  # granules that there is room for among the base's rows
        self._stacked: dict[int, tuple[str, int]] = {}  # by granule: of which adapter, and which
        self._ups: Ups = [[encoder.empty_ups(group) for group in GROUPS] for _ in linears]

    @property
    def num_granules(self) -> int:
        return self._table.capacity

    def can_hold(self, blend: Blend) -> bool:
        try:
            sizes = self._sizes(blend)
        except ServingError:
            return True  # `hold` says why not
        if sum(sizes.values()) > self._table.capacity:
            self._table.grow(at_least(sum(sizes.values())))
        return self._table.can_place(sizes)

    def hold(self, blend: Blend) -> None:
        """Raises AdapterRefused; nothing is held then."""
        self.residents.pin(blend)
        for ref, _ in blend:
            adapter = self.residents[ref.sha256]
            self._table.hold(ref.sha256, adapter.num_granules)

    def release(self, blend: Blend) -> None:
        for ref, _ in blend:
            self._table.release(ref.sha256)
        self.residents.unpin(blend)
        self._forget_gone()

    def drop(self, ref: AdapterRef) -> int:
        """Forget an adapter as soon as no request uses it. Returns the bytes that it takes."""
        num_bytes = self.residents.drop(ref)
        self._forget_gone()
        return num_bytes

    def granules(self, blend: Blend) -> list[tuple[int, float]]:
        """The granules of adapters that are held, with their scales."""
        return [(granule, scale) for ref, scale in blend for granule in self._table[ref.sha256]]

    def placed(self) -> list[Placed]:
        """What the granules hold that a step may use."""
        return [
            Placed(granule, key, number, self.residents[key])
            for key in self._table
            if key in self.residents
            for number, granule in enumerate(self._table[key])
        ]

    def stacks(self, num_granules: int) -> Ups:
        """B of the first granules at least, for eager code; A is among the linears' rows. Room is
        made when it is asked for: what compiled code computes with lies elsewhere."""
        if num_granules > self._num_stacked:
            self._make_room(num_granules)
        for placed in self.placed():
            if placed.granule >= self._num_stacked:
                continue  # none of this step's
            content = placed.key, placed.number
            if self._stacked.get(placed.granule) != content:
                self._write(placed)
                self._stacked[placed.granule] = content
        return self._ups

    def _sizes(self, blend: Blend) -> dict[str, int]:
        return {ref.sha256: self.residents.get(ref).num_granules for ref, _ in blend}

    def _forget_gone(self) -> None:
        """What has left memory must not be found in the granules either."""
        for key in self._table.idle():
            if key not in self.residents:
                self._table.evict(key)

    def _make_room(self, num_granules: int) -> None:
        import torch

        for layer, linears in enumerate(self._linears):
            for group, linear in enumerate(linears):
                linear.reserve(num_granules)
                self._ups[layer][group] = tuple(
                    torch.cat([up, up.new_zeros(num_granules - len(up), *up.shape[1:])])
                    for up in self._ups[layer][group]
                )
        self._num_stacked = num_granules
        self.generation += 1

    def _write(self, placed: Placed) -> None:
        """Where the adapter has nothing, B becomes zero: what is left of A does not count then."""
        adapter, granule, number = placed.adapter, placed.granule, placed.number
        for group, names in enumerate(GROUPS):
            rows = adapter.rows[group]
            height = len(names) * GRANULE
            own = slice(number * height, (number + 1) * height)
            for layer, linears in enumerate(self._linears):
                if rows is not None:
                    linears[group].write(granule, [tensor[layer, own] for tensor in rows])
                for stack, up in zip(self._ups[layer][group], adapter.ups[group], strict=True):
                    stack[granule] = 0 if up is None else up[layer, number]
