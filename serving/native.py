"""The compiled forward pass (native/forward.cpp): its structures, and a decoder bound to them.

Only addresses cross the border. A bound model keeps the tensors that its addresses point to.
"""

import ctypes
import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .architecture import GROUPS, Architecture
from .decoder import Decoder, Ups
from .layer import Layer
from .linear import GRANULE, Int8, Linear
from .paged_cache import PagedCache
from .step import Span, Step

logger = logging.getLogger(__name__)

# Between eager and compiled logits: rounding to int8 alone makes some 0.03, as it does between
# eager logits of two batches; wrong code makes about 1.
TOLERANCE = 0.15
MOST_PARTS = 3
MOST_HEAD_DIM = 256  # MOST_DIM in attention.hpp
Pointer = ctypes.c_void_p


class CLinear(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("weight", "scale", "bias")),
        ("ups", Pointer * MOST_PARTS),
        ("outputs", ctypes.c_int32 * MOST_PARTS),
        *((name, ctypes.c_int32) for name in ("rows", "inputs", "parts", "halves")),
    ]


class CLayer(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("norm_before", "norm_after", "query_norm", "key_norm")),
        *((name, CLinear) for name in ("qkv", "output", "gate_up", "down")),
        *((name, Pointer) for name in ("keys", "values")),
        ("window", ctypes.c_int32),
    ]


class CModel(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.POINTER(CLayer)),
        ("norm", Pointer),
        ("head", CLinear),
        ("epsilon", ctypes.c_float),
        *(
            (name, ctypes.c_int32)
            for name in ("num_layers", "hidden", "inner", "num_heads", "num_kv_heads", "head_dim")
        ),
    ]


class CStep(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("hidden", "cos", "sin", "slots", "granules", "scales")),
        *((name, Pointer) for name in ("spans", "tables", "sampled", "logits")),
        *(
            (name, ctypes.c_int32)
            for name in ("num_tokens", "width", "num_spans", "num_sampled", "num_threads")
        ),
    ]


class Library:
    """The compiled code. Raises OSError where the file is no library, or not ours."""

    def __init__(self, path: Path) -> None:
        import_module("torch")  # whose OpenMP the code uses, so that both share their threads
        self.path = path
        try:
            self._forward: Any = ctypes.CDLL(str(path)).lora_chat_forward
        except AttributeError as error:
            raise OSError(str(error)) from error
        self._forward.restype = ctypes.c_int32

    def forward(self, model: CModel, step: CStep) -> None:
        """Without Python's lock: other threads go on meanwhile. Raises MemoryError."""
        if not self._forward(ctypes.byref(model), ctypes.byref(step)):
            raise MemoryError("a step's activations")


class NativeForward:
    """A decoder's layers and head in compiled code; what `Decoder.forward` calls if it is there."""

    def __init__(self, library: Library, decoder: Decoder) -> None:
        self._library = library
        self._decoder = decoder
        self._bound: tuple[CModel, PagedCache, Ups, list[Any]] | None = None

    def forget(self) -> None:
        """Weights have been moved."""
        self._bound = None

    def forward(
        self, step: Step, hidden: Any, rotation: tuple[Any, Any], cache: PagedCache, ups: Ups
    ) -> Any:
        """The logits that the step asks for; hidden, [T, hidden], is used up."""
        import torch

        if self._bound is None or self._bound[1] is not cache or self._bound[2] is not ups:
            self._bound = self._bind(cache, ups)
        shape = self._decoder.architecture
        logits = torch.empty(len(step.sampled), shape.vocab_size)
        spans = torch.tensor(
            [(span.begin, span.end, span.start, offset) for span, offset in step.tables()],
            dtype=torch.int32,
        )
        blocks = torch.tensor(
            [block for span in step.spans for block in span.blocks], dtype=torch.int32
        )
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
        self._library.forward(self._bound[0], CStep(**addresses, **counts))
        return logits

    def _bind(self, cache: PagedCache, ups: Ups) -> tuple[CModel, PagedCache, Ups, list[Any]]:
        decoder, shape = self._decoder, self._decoder.architecture
        kept: list[Any] = []
        layers = (CLayer * shape.num_layers)(
            *(
                self._layer(layer, own, caches, window, kept)
                for layer, own, caches, window in zip(
                    decoder.layers, ups, cache.layers, shape.windows, strict=True
                )
            )
        )
        model = CModel(
            layers=layers,
            norm=_address(decoder.norm, kept),
            head=_linear(decoder.head, (), None, kept),
            epsilon=shape.norm_eps,
            num_layers=shape.num_layers,
            hidden=shape.hidden_size,
            inner=shape.intermediate_size,
            num_heads=shape.num_heads,
            num_kv_heads=shape.num_kv_heads,
            head_dim=shape.head_dim,
        )
        return model, cache, ups, [layers, *kept]

    def _layer(
        self,
        layer: Layer,
        ups: Sequence[tuple[Any, ...]],
        caches: tuple[Any, Any],
        window: int | None,
        kept: list[Any],
    ) -> CLayer:
        linears = [
            _linear(linear, own, bias, kept)
            for linear, own, bias in zip(layer.linears, ups, layer.biases, strict=True)
        ]
        before, after = layer.norms
        query_norm, key_norm = layer.head_norms or (None, None)
        return CLayer(
            *(_address(norm, kept) for norm in (before, after, query_norm, key_norm)),
            *linears,
            *(_address(cached, kept) for cached in caches),
            window or 0,
        )


def can_run(decoder: Decoder) -> bool:
    """The code is int8's, for heads that fit its buffers."""
    dim = decoder.architecture.head_dim
    return isinstance(decoder.kind, Int8) and decoder.device == "cpu" and dim <= MOST_HEAD_DIM


def use(library: Library, decoder: Decoder) -> None:
    """Compute with compiled code from now on, if it computes what eager code computes."""
    native = NativeForward(library, decoder)
    difference = _difference(native, decoder)
    if difference < TOLERANCE:
        decoder.compiled = native
        logger.info("Compiled: answers are faster from now on")
    else:
        logger.warning(
            "Compiled code is not used: its logits are off by %.2g of their size", difference
        )


def _difference(native: NativeForward, decoder: Decoder) -> float:
    """Between eager and compiled logits of a few tokens, as a share of their size (both in the
    root of the mean square)."""
    import torch

    shape = decoder.architecture
    token_ids = torch.arange(3).remainder(shape.vocab_size)
    step = Step(
        token_ids=token_ids,
        positions=torch.arange(3),
        slots=torch.arange(3),
        granules=torch.zeros(3, 1, dtype=torch.long),
        scales=torch.zeros(3, 1),
        num_granules=1,
        spans=[Span(0, 3, 0, [0])],
        sampled=torch.arange(3),
    )
    outcomes: list[Any] = []
    ups: Ups = [[_empty(group, shape) for group in GROUPS] for _ in decoder.layers]
    for compiled in (None, native):
        decoder.compiled = compiled
        cache = PagedCache(shape, 1, torch.float16, "cpu")
        outcomes.append(decoder.forward(step, cache, ups))
    decoder.compiled = None
    native.forget()
    eager, own = outcomes
    return float((own - eager).norm() / eager.norm())


def _empty(group: Sequence[str], shape: Architecture) -> tuple[Any, ...]:
    import torch

    outs = [shape.projections[name][0] for name in group]
    return tuple(torch.zeros(1, GRANULE, out, dtype=torch.int8) for out in outs)


def _linear(linear: Linear, ups: Sequence[Any], bias: Any | None, kept: list[Any]) -> CLinear:
    weight, scale = linear.tensors
    kind = linear.kind
    assert isinstance(kind, Int8)
    return CLinear(
        weight=_address(weight, kept),
        scale=_address(scale, kept),
        bias=_address(bias, kept),
        ups=(Pointer * MOST_PARTS)(*(_address(up, kept) for up in ups)),
        outputs=(ctypes.c_int32 * MOST_PARTS)(*(up.shape[2] for up in ups)),
        rows=linear.num_rows,
        inputs=weight.shape[1],
        parts=len(ups),
        halves=kind.halves,
    )


def _address(tensor: Any | None, kept: list[Any]) -> int | None:
    if tensor is None:
        return None
    assert tensor.is_contiguous()
    kept.append(tensor)
    return tensor.data_ptr()
