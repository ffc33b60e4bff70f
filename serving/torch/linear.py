"""The base's products in the precision they are stored in, with room for adapters among the rows.

fp32, bf16   the plain product
int8         a scale per row; activations per token, where it matters as two int8 halves, so that
             15 bits of them count
int4         four bits in groups of 32, in compiled code (native/int4.py)
nf4          bitsandbytes' 4-bit blocks; the adapters' rows stay wide
"""

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

from .architecture import GATE_UP, OUTPUT

GRANULE = 16  # [ranks] that adapters are held in
# Groups whose activations may be rounded to one int8: it costs their base 0.2 % of answer loss,
# the others 0.4 to 1.5 % (SmolLM2-135M).
ROBUST = (OUTPUT, GATE_UP)
WHOLE = 127  # the largest number of a weight
PIECE = 1 << 18  # weights that are rounded at a time: few enough to stay in the cache
HALVES = 254  # the second half's steps in one step of the first: -127..127 of its rounding error


class LinearKind(Protocol):
    """How weights are stored and multiplied."""

    def of(self, group: int | None) -> "LinearKind":
        """The kind for one of GROUPS; None: for the product with the vocabulary."""
        ...

    def store(self, parts: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The base's rows, matrices [out, in] below one another, in any float type: what stays as
        it is, and tensors that rows can be added to."""
        ...

    def encode(self, rows: Any) -> tuple[Any, ...]:
        """An adapter's rows, for the second kind of tensors."""
        ...

    def encode_pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        """An adapter's A [layers, ranks, in] and B [layers, out, ranks], in float: the rows to
        `encode`, and B with its ranks first, [layers, ranks, out], as it is multiplied."""
        ...

    def split(self, inputs: Any, num_rows: int, *tensors: Any) -> tuple[Any, Any]:
        """[T, in] times the base's rows and times the adapters': [T, out], [T, adapters' rows]."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """Weights are stored and multiplied in the activations' own type."""

    dtype: Any

    def of(self, group: int | None) -> LinearKind:
        return self

    def store(self, parts: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (), (_joined(parts, self.dtype),)

    def encode(self, rows: Any) -> tuple[Any, ...]:
        return (rows.to(self.dtype),)

    def encode_pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a, b.mT.contiguous().to(self.dtype)

    def split(self, inputs: Any, num_rows: int, *tensors: Any) -> tuple[Any, Any]:
        import torch

        product = torch.nn.functional.linear(inputs, tensors[0])
        return product[:, :num_rows], product[:, num_rows:]


@dataclass(frozen=True, slots=True)
class Int8:
    """`limit` is 63 where torch's product computes and saturates (see `exact_limit`)."""

    limit: int = WHOLE
    halves: int = 2  # of the activations

    def of(self, group: int | None) -> LinearKind:
        return replace(self, halves=1) if group in ROBUST else self

    def store(self, parts: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (), self._rounded(parts)

    def encode(self, rows: Any) -> tuple[Any, ...]:
        rounded, scale = self._rounded([rows.reshape(-1, rows.shape[-1])])
        return rounded.view(rows.shape), scale.view(rows.shape[:-1])

    def _rounded(self, parts: Sequence[Any]) -> tuple[Any, Any]:
        """Matrices below one another as int8, and their rows' scales. A piece at a time, in the
        same few bytes: all of a base's rows in float would take eight times the memory of what
        they become, and the system as much time to give it."""
        import torch

        height, width = sum(map(len, parts)), parts[0].shape[1]
        sizes = scratch(piece_of(width), width)
        rounded = torch.empty(height, width, dtype=torch.int8)
        scale = torch.empty(height)
        for own, values in pieces(parts):
            torch.amax(torch.abs(values, out=sizes[: len(values)]), -1, out=scale[own])
            scale[own].clamp_min_(1e-12).div_(self.limit)
            rounded[own] = values.div_(scale[own, None]).round_()
        return rounded, scale

    def encode_pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        """A rank's scale in B is multiplied into its row of A, whose own scale takes it up."""
        import torch

        ranks_first = b.mT.contiguous()
        scale = ranks_first.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127
        return a * scale, (ranks_first / scale).round().to(torch.int8)

    def split(self, inputs: Any, num_rows: int, *tensors: Any) -> tuple[Any, Any]:
        weight, scale = tensors
        product = self.product(inputs, lambda rows: self._sums(rows, weight)) * scale
        return product[:, :num_rows], product[:, num_rows:]

    def product(self, inputs: Any, times: Callable[[Any], Any]) -> Any:
        """The inputs, rounded, times what `times` multiplies rows of whole numbers with. The second
        half of the activations is what rounding the first has lost; both go through the product as
        rows of one batch, which reads the weights once."""
        import torch

        step = inputs.abs().amax(-1, keepdim=True).clamp_min(1e-12) * (1 / 127)
        high = (inputs / step).round()
        if self.halves == 1:
            return times(high) * step
        low = ((inputs - high * step) * (HALVES / step)).round()
        sums, count = times(torch.cat([high, low])), inputs.shape[0]
        return (sums[:count] + sums[count:] * (1 / HALVES)) * step

    def _sums(self, rows: Any, weight: Any) -> Any:
        """Where torch's product would be wrong, by floats: slow, to compare compiled code with."""
        import torch

        if self.limit > (exact_limit() or 0):
            parts = weight.split(max(1, PIECE // weight.shape[1]))
            return torch.cat([rows @ part.to(rows.dtype).t() for part in parts], dim=1)
        return _int_mm(rows.to(torch.int8), weight).to(rows.dtype)


@dataclass(frozen=True, slots=True)
class Nf4(Dense):
    """Quantized as for training: NF4 in blocks of 64 with double quantization."""

    def of(self, group: int | None) -> LinearKind:
        return Dense(self.dtype) if group is None else self  # wide, as bitsandbytes leaves it

    def store(self, parts: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        from bitsandbytes import functional

        weight = _joined(parts, self.dtype)
        packed, state = functional.quantize_4bit(
            weight.contiguous(),
            blocksize=64,
            quant_type="nf4",
            compress_statistics=True,
        )
        return (packed, state), (weight[:0].clone(),)  # not a view, which would keep all of it

    def split(self, inputs: Any, num_rows: int, *tensors: Any) -> tuple[Any, Any]:
        import bitsandbytes
        import torch

        packed, state, rows = tensors
        base = bitsandbytes.matmul_4bit(inputs, packed.t(), quant_state=state)
        return base, torch.nn.functional.linear(inputs, rows)


class Linear:
    """One product of the base, and the rows of the adapters' A that share its inputs.

    The rows of granule g begin at g · parts · 16 after the base's, part by part.
    """

    def __init__(self, kind: LinearKind, weights: Sequence[Any], parts: int = 0) -> None:
        """weights: matrices [out, in] below one another, in any float type; parts: projections
        among them that adapters may have."""
        self.kind = kind
        self.num_rows = sum(map(len, weights))
        self._parts = parts
        self.fixed, self.tensors = kind.store(weights)
        self._num_base = len(self.tensors[0])

    def split(self, inputs: Any, num_granules: int) -> tuple[Any, Any]:
        """[T, in] times the base's rows, and times those of the first granules."""
        end = self._end(num_granules)
        tensors = (tensor[:end] for tensor in self.tensors)
        return self.kind.split(inputs, self.num_rows, *self.fixed, *tensors)

    def reserve(self, num_granules: int) -> None:
        """Make room for this many granules, keeping what is there."""
        missing = self._end(num_granules) - len(self.tensors[0])
        self.tensors = tuple(_lengthened(tensor, missing) for tensor in self.tensors)

    def write(self, granule: int, rows: Sequence[Any]) -> None:
        """Put a granule's encoded rows in their place; each tensor is [parts · 16, …]."""
        begin, end = self._end(granule), self._end(granule + 1)
        for tensor, values in zip(self.tensors, rows, strict=True):
            tensor[begin:end] = values

    def _end(self, num_granules: int) -> int:
        return self._num_base + num_granules * self._parts * GRANULE


@cache
def exact_limit() -> int | None:
    """The largest weights with which torch's int8 product is exact on this CPU; None if none is.

    Without VNNI pairs of products are summed in 16 bits, which saturates silently.
    """
    import torch

    inputs = torch.full((4, 576), 127, dtype=torch.int8)
    inputs[1:, ::2] = -127
    inputs[2] = torch.arange(576).remainder(255).sub(127)
    for limit in (WHOLE, 63):
        weight = torch.full((48, 576), limit, dtype=torch.int8)
        weight[::3, ::2] = -limit
        weight[1] = torch.arange(576).remainder(2 * limit + 1).sub(limit)
        if torch.equal(_int_mm(inputs, weight).long(), inputs.long() @ weight.long().t()):
            return limit
    return None


def piece_of(width: int) -> int:
    """How many rows are rounded at a time."""
    return max(1, PIECE // max(1, width))


def pieces(parts: Sequence[Any]) -> Iterator[tuple[slice, Any]]:
    """A few rows after the other of matrices below one another: which they are, and the same in
    float32, in memory that the next ones will take."""
    count, width, begin = piece_of(parts[0].shape[1]), parts[0].shape[1], 0
    wide = scratch(count, width)
    for rows in (piece for part in parts for piece in part.split(count)):
        own = slice(begin, begin + len(rows))
        yield own, wide[: len(rows)].copy_(rows)
        begin = own.stop


def scratch(count: int, width: int) -> Any:
    """Floats in memory of the system's own: the heap would keep their place, between weights."""
    import torch

    place = mmap.mmap(-1, max(1, 4 * count * width))
    return torch.frombuffer(place, dtype=torch.float32, count=count * width).view(count, width)


def _joined(parts: Sequence[Any], dtype: Any) -> Any:
    """Matrices below one another."""
    import torch

    if len(parts) == 1:
        return parts[0].to(dtype)
    height, first = sum(map(len, parts)), parts[0]
    whole = torch.empty(height, first.shape[1], dtype=dtype, device=first.device)
    for place, part in zip(whole.split([len(part) for part in parts]), parts, strict=True):
        place.copy_(part)
    return whole


def _int_mm(inputs: Any, weight: Any) -> Any:
    import torch

    # torch has no public name for it.
    return torch._int_mm(inputs, weight.t())  # pyright: ignore[reportPrivateUsage]


def _lengthened(tensor: Any, num_rows: int) -> Any:
    import torch

    if num_rows <= 0:
        return tensor
    return torch.cat([tensor, tensor.new_zeros(num_rows, *tensor.shape[1:])])
