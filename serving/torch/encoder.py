"""Adapters from their files to what a step multiplies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from serving.engine import AdapterRef, LoadReport
from serving.errors import AdapterRefused

from .architecture import GROUPS, Architecture
from .linear import GRANULE, Dense, LinearKind
from .lora_weights import LoraWeights, Place, load_lora

Confirm = Callable[[AdapterRef], None]
LARGEST_WEIGHT = 1e15  # of a weight: beyond it, products overflow for every request in the batch


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EncodedAdapter:
    """Ready to be multiplied; None where the adapter has nothing in any layer.

    rows[group]       A as the linear stores rows: tensors [layers, granules · parts · 16, …]
    ups[group][part]  B, [layers, granules, 16, out]
    largest           of A's and B's numbers by place; NaN or infinite if one of them is
    kind              of products that it is for
    """

    num_granules: int
    matched: tuple[str, ...]  # modules
    rows: tuple[tuple[Any, ...] | None, ...]
    ups: tuple[tuple[Any | None, ...], ...]
    largest: dict[Place, float]
    kind: LinearKind

    @property
    def report(self) -> LoadReport:
        tensors = _tensors(self.rows) + _tensors(self.ups)
        num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return LoadReport(self.matched, num_bytes)


class CompiledEncoder(Protocol):
    def encode(self, weights: LoraWeights) -> EncodedAdapter:
        """What `Encoder` computes, in other code."""
        ...


class Encoder:
    """Turns an adapter's files into what a bank holds; may be called from any thread.

    `confirm` is asked once they have been read, and raises AdapterRefused where they are no longer
    those that the hash stands for.
    """

    def __init__(
        self,
        architecture: Architecture,
        kind: LinearKind,
        device: str,
        confirm: Confirm | None = None,
    ) -> None:
        self._confirm = confirm
        self.compiled: CompiledEncoder | None = None
        self._architecture = architecture
        self.kind = kind
        self._device = device

    def load(self, ref: AdapterRef) -> EncodedAdapter:
        """Raises AdapterRefused where the adapter does not fit the base or has changed."""
        weights = load_lora(ref, self._architecture)
        if self._confirm is not None:
            self._confirm(ref)
        encoded = (self.compiled or self).encode(weights)
        _check(encoded.largest, ref)
        return encoded

    def convert(self, adapter: EncodedAdapter) -> EncodedAdapter | None:
        """One that was encoded for other products; None where its numbers were rounded for them."""
        if adapter.kind == self.kind:
            return adapter
        return self._from_dense(adapter) if type(adapter.kind) is Dense else None

    def _from_dense(self, adapter: EncodedAdapter) -> EncodedAdapter:
        rows: list[tuple[Any, ...] | None] = []
        ups: list[tuple[Any | None, ...]] = []
        for stacked, own in zip(adapter.rows, adapter.ups, strict=True):
            if stacked is None:
                rows.append(None)
                ups.append(own)
                continue
            layers, _, in_features = stacked[0].shape
            wide = stacked[0].float().view(layers, -1, len(own), GRANULE, in_features)
            pairs = [
                self._convert_part(wide[:, :, part].reshape(layers, -1, in_features), up)
                for part, up in enumerate(own)
            ]
            rows.append(self._rows([a for a, _ in pairs]))
            ups.append(tuple(up for _, up in pairs))
        return replace(adapter, rows=tuple(rows), ups=tuple(ups), kind=self.kind)

    def _convert_part(self, a: Any, up: Any | None) -> tuple[Any, Any | None]:
        """A [layers, ranks, in] and B as it is stacked; without B, A is zero."""
        if up is None:
            return a, None
        b = up.float().reshape(len(up), -1, up.shape[-1]).mT
        encoded, ranks_first = self.kind.encode_pair(a, b)
        return encoded, self._up(ranks_first)

    def encode(self, weights: LoraWeights) -> EncodedAdapter:
        largest: dict[Place, float] = {}
        encoded: dict[str, tuple[Any, Any]] = {}
        for name in (name for group in weights.groups for name in group):
            a, b = self._stack(weights, name)
            most = a.abs().amax((1, 2)).maximum(b.abs().amax((1, 2)))
            largest |= {(layer, name): each for layer, each in enumerate(most.tolist())}
            encoded[name] = self.kind.encode_pair(a, b)
        rows = tuple(
            self._rows([encoded[name][0] for name in group]) if group in weights.groups else None
            for group in GROUPS
        )
        ups = tuple(
            tuple(
                self._up(encoded[name][1]) if name in weights.projections else None
                for name in group
            )
            for group in GROUPS
        )
        return EncodedAdapter(weights.num_granules, weights.matched, rows, ups, largest, self.kind)

    def empty_ups(self, group: Sequence[str]) -> tuple[Any, ...]:
        """Stacked B of a group's parts, without any granule yet."""
        import torch

        def empty(name: str) -> Any:
            out_features, in_features = self._architecture.projections[name]
            a, b = torch.zeros(0, GRANULE, in_features), torch.zeros(0, out_features, GRANULE)
            return self.kind.encode_pair(a, b)[1].to(self._device)

        return tuple(empty(name) for name in group)

    def _stack(self, weights: LoraWeights, name: str) -> tuple[Any, Any]:
        """A projection's A and B of all layers, with zeros where the adapter has nothing: one
        operation on all is many times faster than one on each."""
        import torch

        out_features, in_features = self._architecture.projections[name]
        num_layers, num_ranks = self._architecture.num_layers, weights.num_granules * GRANULE
        a = torch.zeros(num_layers, num_ranks, in_features)
        b = torch.zeros(num_layers, out_features, num_ranks)
        factors = torch.zeros(num_layers, 1, 1)
        for (layer, projection), pair in weights.pairs.items():
            if projection == name:
                a[layer, : pair.rank] = pair.a
                b[layer, :, : pair.rank] = pair.b
                factors[layer] = pair.factor
        return a, b * factors

    def _rows(self, parts: Sequence[Any]) -> tuple[Any, ...]:
        """A group's A, each part [layers, ranks, in], as encoded rows by granule and part:
        [layers, granules · parts · 16, …]."""
        import torch

        layers, _, in_features = parts[0].shape
        granules = [part.view(layers, -1, GRANULE, in_features) for part in parts]
        rows = torch.stack(granules, dim=2).view(layers, -1, in_features)
        return tuple(tensor.to(self._device) for tensor in self.kind.encode(rows))

    def _up(self, up: Any) -> Any:
        return up.view(len(up), -1, GRANULE, up.shape[2]).to(self._device)


def _check(largest: dict[Place, float], ref: AdapterRef) -> None:
    for (layer, projection), most in largest.items():
        if not most < LARGEST_WEIGHT:
            raise AdapterRefused(
                f"is damaged: at layer {layer} {projection} it holds values that are no numbers or "
                "beyond all measure. Train it again, with a lower learning rate if its loss became "
                "NaN.",
                ref,
            )


def _tensors(nested: Any) -> list[Any]:
    if nested is None:
        return []
    if isinstance(nested, tuple):
        return [tensor for part in nested for tensor in _tensors(part)]
    return [nested]
