"""The adapters of the running requests, beside the base's weights.

`Residents` keeps adapters encoded and ready, as many as its budget allows. Those that running
requests hold have numbered granules. Compiled code computes with them where they lie; eager code
wants them stacked among the base's rows, so they are copied there before it takes a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .architecture import GROUPS, Architecture
from .engine import AdapterRef, Blend, LoadReport
from .errors import ServingError
from .granules import GranuleTable
from .linear import GRANULE, Kind, Linear
from .lora_weights import Pairs, load_lora
from .residents import Residents

Ups = list[list[tuple[Any, ...]]]  # B by layer, group and part, [granules, 16, out]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EncodedAdapter:
    """Ready to be multiplied; None where the adapter has nothing in any layer.

    rows[group]       A as the linear stores rows: tensors [layers, granules · parts · 16, …]
    ups[group][part]  B, [layers, granules, 16, out]
    """

    num_granules: int
    rows: tuple[tuple[Any, ...] | None, ...]
    ups: tuple[tuple[Any | None, ...], ...]
    report: LoadReport


@dataclass(frozen=True, slots=True)
class Placed:
    """A granule, and what it holds: the adapter's `number`-th 16 ranks."""

    granule: int
    key: str  # the adapter's
    number: int
    adapter: EncodedAdapter


class Encoder:
    """Turns an adapter's files into what a bank holds; may be called from any thread."""

    def __init__(self, architecture: Architecture, kind: Kind, device: str) -> None:
        self.architecture = architecture
        self._kind = kind
        self._device = device

    def load(self, ref: AdapterRef) -> EncodedAdapter:
        """Raises AdapterRefused where the adapter does not fit the base."""
        weights = load_lora(ref, self.architecture)
        num_granules = -(-weights.rank // GRANULE)
        present = {projection for _, projection in weights.pairs}
        stacks = {
            name: self._kind.encode_pair(*self._stack(weights.pairs, name, num_granules * GRANULE))
            for group in GROUPS
            if not present.isdisjoint(group)
            for name in group
        }
        rows = tuple(
            None if present.isdisjoint(group) else self._rows([stacks[name][0] for name in group])
            for group in GROUPS
        )
        ups = tuple(
            tuple(self._up(stacks[name][1]) if name in present else None for name in group)
            for group in GROUPS
        )
        num_bytes = sum(
            tensor.numel() * tensor.element_size() for tensor in _tensors(rows) + _tensors(ups)
        )
        return EncodedAdapter(num_granules, rows, ups, LoadReport(weights.matched, num_bytes))

    def empty_ups(self, group: Sequence[str]) -> tuple[Any, ...]:
        """Stacked B of a group's parts, without any granule yet."""
        import torch

        def empty(name: str) -> Any:
            out_features, in_features = self.architecture.projections[name]
            a, b = torch.zeros(0, GRANULE, in_features), torch.zeros(0, out_features, GRANULE)
            return self._kind.encode_pair(a, b)[1].to(self._device)

        return tuple(empty(name) for name in group)

    def _stack(self, pairs: Pairs, name: str, num_ranks: int) -> tuple[Any, Any]:
        """A projection's A and B of all layers, with zeros where the adapter has nothing: one
        operation on all is many times faster than one on each."""
        import torch

        out_features, in_features = self.architecture.projections[name]
        a = torch.zeros(self.architecture.num_layers, num_ranks, in_features)
        b = torch.zeros(self.architecture.num_layers, out_features, num_ranks)
        for (layer, projection), (own_a, own_b) in pairs.items():
            if projection == name:
                a[layer, : len(own_a)] = own_a
                b[layer, :, : len(own_a)] = own_b
        return a, b

    def _rows(self, parts: Sequence[Any]) -> tuple[Any, ...]:
        """A group's A, each part [layers, ranks, in], as encoded rows by granule and part:
        [layers, granules · parts · 16, …]."""
        import torch

        layers, _, in_features = parts[0].shape
        granules = [part.view(layers, -1, GRANULE, in_features) for part in parts]
        rows = torch.stack(granules, dim=2).view(layers, -1, in_features)
        return tuple(tensor.to(self._device) for tensor in self._kind.encode(rows))

    def _up(self, up: Any) -> Any:
        return up.view(len(up), -1, GRANULE, up.shape[2]).to(self._device)


def _tensors(nested: Any) -> list[Any]:
    if nested is None:
        return []
    if isinstance(nested, tuple):
        return [tensor for part in nested for tensor in _tensors(part)]
    return [nested]


class AdapterBank:
    """Owns the granules: which adapter is in which, and the stacks that eager code computes with.

    `linears[layer][group]` are the decoder's, whose rows hold A.
    """

    def __init__(
        self,
        encoder: Encoder,
        linears: Sequence[Sequence[Linear]],
        capacity: int,  # [granules] at first
        num_bytes: int,  # of adapters in memory beyond those in use
    ) -> None:
        self.residents: Residents[EncodedAdapter] = Residents(
            encoder.load, num_bytes, lambda adapter: adapter.report.num_bytes
        )
        self.generation = 0  # counts the times that tensors were replaced
        self._linears = linears
        self._table = GranuleTable(0)
        self._stacked: dict[int, tuple[str, int]] = {}  # by granule: of which adapter, and which
        self._ups: Ups = [[encoder.empty_ups(group) for group in GROUPS] for _ in linears]
        self._grow(capacity)

    @property
    def num_granules(self) -> int:
        return self._table.capacity

    def can_hold(self, blend: Blend) -> bool:
        try:
            sizes = self._sizes(blend)
        except ServingError:
            return True  # `hold` says why not
        if sum(sizes.values()) > self._table.capacity:
            self._grow(sum(sizes.values()))
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

    def drop(self, ref: AdapterRef) -> None:
        """Forget an adapter as soon as no request uses it."""
        self.residents.drop(ref)
        self._forget_gone()

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

    def stacks(self) -> Ups:
        """B for eager code; A is among the linears' rows."""
        for placed in self.placed():
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

    def _grow(self, num_granules: int) -> None:
        """Make room: at the start, and for a request that would not fit even alone."""
        import torch

        capacity = 1 << (num_granules - 1).bit_length()
        for layer, linears in enumerate(self._linears):
            for group, linear in enumerate(linears):
                linear.reserve(capacity)
                self._ups[layer][group] = tuple(
                    torch.cat([up, up.new_zeros(capacity - len(up), *up.shape[1:])])
                    for up in self._ups[layer][group]
                )
        self._table.grow(capacity)
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
