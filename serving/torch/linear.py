"""The base's products in the precision they are stored in, with room for adapters among the rows.

fp32, bf16   the plain product
int8         a scale per row; activations per token, where it matters as two int8 halves, so that
             15 bits of them count
nf4          bitsandbytes' 4-bit blocks; the adapters' rows stay wide
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

from .architecture import GATE_UP, OUTPUT

GRANULE = 16  # [ranks] that adapters are held in
# Groups whose activations may be rounded to one int8: it costs their base 0.2 % of answer loss,
# the others 0.4 to 1.5 % (SmolLM2-135M).
ROBUST = (OUTPUT, GATE_UP)
WHOLE = 127  # the largest number of a weight
HALVES = 254  # the second half's steps in one step of the first: -127..127 of its rounding error


class LinearKind(Protocol):
    """How weights are stored and multiplied."""

    def of(self, group: int | None) -> "LinearKind":
        """The kind for one of GROUPS; None: for the product with the vocabulary."""
        ...

    def store(self, weight: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The base's rows [out, in]: what stays as it is, and tensors that rows can be added to."""
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

    def store(self, weight: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (), self.encode(weight)

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

    def store(self, weight: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (), self.encode(weight)

    def encode(self, rows: Any) -> tuple[Any, ...]:
        import torch

        wide = rows.float()
        scale = wide.abs().amax(-1).clamp_min(1e-12) / self.limit
        return (wide / scale[..., None]).round().to(torch.int8), scale

    def encode_pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        """A rank's scale in B is multiplied into its row of A, whose own scale takes it up."""
        import torch

        ranks_first = b.mT.contiguous()
        scale = ranks_first.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127
        return a * scale, (ranks_first / scale).round().to(torch.int8)

    def split(self, inputs: Any, num_rows: int, *tensors: Any) -> tuple[Any, Any]:
        """The second half of the activations is what rounding the first has lost; both go
        through the product as rows of one batch, which reads the weights once."""
        import torch

        weight, scale = tensors
        step = inputs.abs().amax(-1, keepdim=True).clamp_min(1e-12) * (1 / 127)
        high = (inputs / step).round()
        if self.halves == 1:
            product = self._sums(high, weight) * step * scale
            return product[:, :num_rows], product[:, num_rows:]
        low = ((inputs - high * step) * (HALVES / step)).round()
        sums = self._sums(torch.cat([high, low]), weight)
        count = inputs.shape[0]
        product = (sums[:count] + sums[count:] * (1 / HALVES)) * step * scale
        return product[:, :num_rows], product[:, num_rows:]

    def _sums(self, rows: Any, weight: Any) -> Any:
        """Where torch's product would be wrong, by floats: slow, to compare compiled code with."""
        import torch

        if self.limit > (exact_limit() or 0):
            return rows @ weight.to(rows.dtype).t()
        return _int_mm(rows.to(torch.int8), weight).to(rows.dtype)


@dataclass(frozen=True, slots=True)
class Nf4(Dense):
    """Quantized as for training: NF4 in blocks of 64 with double quantization."""

    def of(self, group: int | None) -> LinearKind:
        return Dense(self.dtype) if group is None else self  # wide, as bitsandbytes leaves it

    def store(self, weight: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        from bitsandbytes import functional

        packed, state = functional.quantize_4bit(
            weight.to(self.dtype).contiguous(),
            blocksize=64,
            quant_type="nf4",
            compress_statistics=True,
        )
        return (packed, state), self.encode(weight[:0])

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

    def __init__(self, kind: LinearKind, weight: Any, parts: int = 0) -> None:
        """weight: [out, in] in float; parts: projections fused in it that adapters may have."""
        self.kind = kind
        self.num_rows = len(weight)
        self._parts = parts
        self._fixed, self.tensors = kind.store(weight)
        self._num_base = len(self.tensors[0])

    def split(self, inputs: Any, num_granules: int) -> tuple[Any, Any]:
        """[T, in] times the base's rows, and times those of the first granules."""
        end = self._end(num_granules)
        tensors = (tensor[:end] for tensor in self.tensors)
        return self.kind.split(inputs, self.num_rows, *self._fixed, *tensors)

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


def _int_mm(inputs: Any, weight: Any) -> Any:
    import torch

    # torch has no public name for it.
    return torch._int_mm(inputs, weight.t())  # pyright: ignore[reportPrivateUsage]


def _lengthened(tensor: Any, num_rows: int) -> Any:
    import torch

    if num_rows <= 0:
        return tensor
    return torch.cat([tensor, tensor.new_zeros(num_rows, *tensor.shape[1:])])
