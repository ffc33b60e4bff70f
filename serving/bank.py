"""The adapters of the running requests, stacked beside the base's weights.

Memory has two tiers: `Residents` keeps adapters encoded and ready, as many as its budget allows;
the granules among the base's rows hold those that a step can use. Between the two there is a copy
of a few megabytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .architecture import GROUPS, Architecture
from .engine import AdapterRef, Blend, LoadReport
from .errors import ServingError
from .granules import GranuleTable
from .linear import GRANULE, Kind, Linear
from .lora_weights import load_lora
from .residents import Residents

Pairs = dict[tuple[int, str], tuple[Any, Any]]  # A and B by layer and projection


@dataclass(frozen=True, slots=True)
class EncodedAdapter:
    """Ready to be copied: `rows[layer][group]` as the linear stores rows, `ups[layer][group]` B
    of each part, [granules, 16, out]; None where the adapter has nothing."""

    num_granules: int
    rows: tuple[tuple[tuple[Any, ...] | None, ...], ...]
    ups: tuple[tuple[tuple[Any | None, ...], ...], ...]
    report: LoadReport


class Encoder:
    """Turns an adapter's files into what a bank holds; may be called from any thread."""

    def __init__(self, architecture: Architecture, kind: Kind, dtype: Any, device: str) -> None:
        self.architecture = architecture
        self._kind = kind
        self._dtype = dtype  # of B
        self._device = device

    def load(self, ref: AdapterRef) -> EncodedAdapter:
        """Raises AdapterRefused where the adapter does not fit the base."""
        weights = load_lora(ref, self.architecture)
        layers = range(self.architecture.num_layers)
        num_granules = -(-weights.rank // GRANULE)
        stacks = {
            name: self._kind.encode_pair(*self._stack(weights.pairs, name, num_granules * GRANULE))
            for group in GROUPS
            for name in group
        }
        encoded = [self._rows([stacks[name][0] for name in group]) for group in GROUPS]
        rows = tuple(
            tuple(
                tuple(tensor[layer] for tensor in encoded[number])
                if any((layer, name) in weights.pairs for name in group)
                else None
                for number, group in enumerate(GROUPS)
            )
            for layer in layers
        )
        ups = tuple(
            tuple(
                tuple(
                    self._up(stacks[name][1][layer]) if (layer, name) in weights.pairs else None
                    for name in group
                )
                for group in GROUPS
            )
            for layer in layers
        )
        num_bytes = sum(
            tensor.numel() * tensor.element_size() for tensor in _tensors(rows) + _tensors(ups)
        )
        return EncodedAdapter(num_granules, rows, ups, LoadReport(weights.matched, num_bytes))

    def empty_ups(self, group: Sequence[str]) -> tuple[Any, ...]:
        """Stacked B of a group's parts, without any granule yet."""
        import torch

        return tuple(
            torch.zeros(
                0,
                GRANULE,
                self.architecture.projections[name][0],
                dtype=self._dtype,
                device=self._device,
            )
            for name in group
        )

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
        return up.view(-1, GRANULE, up.shape[1]).to(self._device, self._dtype)


def _tensors(nested: Any) -> list[Any]:
    if nested is None:
        return []
    if isinstance(nested, tuple):
        return [tensor for part in nested for tensor in _tensors(part)]
    return [nested]


class AdapterBank:
    """Owns the granules: which adapter is in which, and B's tensors.

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
        self.ups = [[encoder.empty_ups(group) for group in GROUPS] for _ in linears]
        self._grow(capacity)

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
            adapter = self.residents.pinned(ref)
            if self._table.hold(ref.sha256, adapter.num_granules):
                self._write(adapter, self._table[ref.sha256])

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
                self.ups[layer][group] = tuple(
                    torch.cat([up, up.new_zeros(capacity - len(up), *up.shape[1:])])
                    for up in self.ups[layer][group]
                )
        self._table.grow(capacity)
        self.generation += 1

    def _write(self, adapter: EncodedAdapter, places: tuple[int, ...]) -> None:
        for layer, linears in enumerate(self._linears):
            for group, linear in enumerate(linears):
                self._write_group(linear, adapter, layer, group, places)

    def _write_group(
        self,
        linear: Linear,
        adapter: EncodedAdapter,
        layer: int,
        group: int,
        places: tuple[int, ...],
    ) -> None:
        """Where the adapter has nothing, B becomes zero: what is left of A does not count then."""
        rows = adapter.rows[layer][group]
        height = len(GROUPS[group]) * GRANULE
        for number, place in enumerate(places):
            if rows is not None:
                begin = number * height
                linear.write(place, [tensor[begin : begin + height] for tensor in rows])
            for stacked, up in zip(self.ups[layer][group], adapter.ups[layer][group], strict=True):
                stacked[place] = 0 if up is None else up[number]
