"""The compiled forward pass (cpp/forward.hpp), and a decoder bound to it."""

import ctypes
from itertools import accumulate
from typing import Any
from weakref import WeakKeyDictionary

from serving.torch.architecture import GROUPS, Architecture
from serving.torch.bank import AdapterBank
from serving.torch.decoder import Decoder
from serving.torch.encoder import EncodedAdapter
from serving.torch.linear import Int8
from serving.torch.paged_cache import PagedCache
from serving.torch.step import Span, Step

from .encoder import NativeEncoder
from .library import Library
from .structures import CGranule, CLayer, CModel, CStep, address, c_granule, c_linear

# Between eager and compiled logits: rounding to int8 alone makes some 0.03, as it does between
# eager logits of two batches; wrong code makes about 1.
TOLERANCE = 0.15
MOST_HEAD_DIM = 256  # MOST_DIM in attention.hpp


class NativeForward:
    """A decoder's layers and head in compiled code; what `Decoder.forward` calls if it is there."""

    def __init__(self, library: Library, decoder: Decoder) -> None:
        self._library = library
        self._decoder = decoder
        self._bound: tuple[CModel, PagedCache, AdapterBank, int, list[Any]] | None = None
        self._granules: WeakKeyDictionary[EncodedAdapter, list[CGranule]] = WeakKeyDictionary()

    def forward(
        self,
        step: Step,
        hidden: Any,
        rotation: tuple[Any, Any],
        cache: PagedCache,
        bank: AdapterBank,
    ) -> Any:
        """The logits that the step asks for; hidden, [T, hidden], is used up."""
        import torch

        model = self._model(cache, bank)
        adapters = self._adapters(bank)
        shape = self._decoder.architecture
        logits = torch.empty(len(step.sampled), shape.vocab_size)
        spans, blocks = _spans(step)
        tensors = {
            "hidden": hidden.contiguous(),
            "cos": rotation[0].contiguous(),
            "sin": rotation[1].contiguous(),
            "slots": step.slots,
            "granules": step.granules,
            "scales": step.scales,
            "spans": spans,
            "tables": blocks,
            "sampled": step.sampled,
            "logits": logits,
        }
        addresses = {name: tensor.data_ptr() for name, tensor in tensors.items()}
        counts = {
            "num_tokens": len(hidden),
            "width": step.granules.shape[1],
            "num_spans": len(spans),
            "num_sampled": len(logits),
            "num_threads": torch.get_num_threads(),
        }
        addresses["adapters"] = ctypes.addressof(adapters)
        self._library.forward(model, CStep(**addresses, **counts))
        return logits

    def _model(self, cache: PagedCache, bank: AdapterBank) -> CModel:
        """Bound to the tensors as they are: the bank replaces some when it grows."""
        bound = self._bound
        if bound is None or bound[1:4] != (cache, bank, bank.generation):
            kept: list[Any] = []
            bound = self._bind(cache, kept), cache, bank, bank.generation, kept
            self._bound = bound
        return bound[0]

    def _adapters(self, bank: AdapterBank) -> "ctypes.Array[CGranule]":
        held = (CGranule * bank.num_granules)()
        for placed in bank.placed():
            adapter = placed.adapter
            granules = self._granules.get(adapter)
            if granules is None:
                granules = [c_granule(adapter, n) for n in range(adapter.num_granules)]
                self._granules[adapter] = granules
            held[placed.granule] = granules[placed.number]
        return held

    def _bind(self, cache: PagedCache, kept: list[Any]) -> CModel:
        decoder, shape = self._decoder, self._decoder.architecture
        layers = (CLayer * shape.num_layers)(
            *(
                self._layer(number, *cache.layers[number], kept)
                for number in range(shape.num_layers)
            )
        )
        kept.append(layers)
        return CModel(
            layers=layers,
            norm=address(decoder.norm, kept),
            head=c_linear(decoder.head, None, kept),
            epsilon=shape.norm_eps,
            num_layers=shape.num_layers,
            hidden=shape.hidden_size,
            inner=shape.intermediate_size,
            num_heads=shape.num_heads,
            num_kv_heads=shape.num_kv_heads,
            head_dim=shape.head_dim,
        )

    def _layer(self, number: int, keys: Any, values: Any, kept: list[Any]) -> CLayer:
        layer, shape = self._decoder.layers[number], self._decoder.architecture
        outputs = [[shape.projections[name][0] for name in names] for names in GROUPS]
        linears = [
            c_linear(layer.linears[group], layer.biases[group], kept, own, number, group)
            for group, own in enumerate(outputs)
        ]
        before, after = layer.norms
        query_norm, key_norm = layer.head_norms or (None, None)
        return CLayer(
            *(address(norm, kept) for norm in (before, after, query_norm, key_norm)),
            *linears,
            *(address(cached, kept) for cached in (keys, values)),
            shape.windows[number] or 0,
        )


def _spans(step: Step) -> tuple[Any, Any]:
    """[spans, 4] and all spans' blocks in a row, in which each begins at its fourth value."""
    import torch

    offsets = accumulate((len(span.blocks) for span in step.spans), initial=0)
    spans = [
        (span.begin, span.end, span.start, offset)
        for span, offset in zip(step.spans, offsets, strict=False)
    ]
    blocks = [block for span in step.spans for block in span.blocks]
    return torch.tensor(spans, dtype=torch.int32), torch.tensor(blocks, dtype=torch.int32)


class CompiledIsWrong(Exception):
    """It computes something else than eager code; the message says how far off it is."""


def can_run(architecture: Architecture) -> bool:
    """Whether heads fit the code's buffers."""
    return architecture.head_dim <= MOST_HEAD_DIM


def use(library: Library, decoder: Decoder, bank: AdapterBank) -> None:
    """Compute with compiled code from now on. Raises CompiledIsWrong."""
    native, kind = NativeForward(library, decoder), decoder.kind
    assert isinstance(kind, Int8)
    difference = _difference(native, decoder, bank)
    if not difference < TOLERANCE:
        raise CompiledIsWrong(f"its logits are off by {difference:.2g} of their size")
    decoder.compiled = native
    bank.encoder.compiled = NativeEncoder(library, decoder.architecture, kind)


def _difference(native: NativeForward, decoder: Decoder, bank: AdapterBank) -> float:
    """The difference between eager and compiled logits of a few tokens, as a share of their size
    (both in the root of the mean square)."""
    import torch

    shape = decoder.architecture
    token_ids = torch.arange(3).remainder(shape.vocab_size)
    step = Step(
        token_ids=token_ids,
        positions=torch.arange(3),
        slots=torch.arange(3),
        granules=torch.zeros(3, 1, dtype=torch.long),
        scales=torch.zeros(3, 1),
        num_granules=0,  # eager code takes no room for adapters, which it will not compute
        spans=[Span(0, 3, 0, [0])],
        sampled=torch.arange(3),
    )
    outcomes: list[Any] = []
    for compiled in (None, native):
        decoder.compiled = compiled
        cache = PagedCache(shape, 1, torch.float16, "cpu")
        outcomes.append(decoder.forward(step, cache, bank))
    decoder.compiled = None
    eager, own = outcomes
    return float((own - eager).norm() / eager.norm())
