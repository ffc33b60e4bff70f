"""Compiles a layer's functions ahead of time, in a process of its own.

    python -m serving.compile FOLDER PRECISION OUT

Every layer has the same shapes, so one layer's code serves all of them: four small packages, with
the number of tokens, rows, blocks and granules left open. Loading them takes milliseconds.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from .architecture import read_architecture
from .blocks import BLOCK
from .build import Numbers, Precision, numbers_for
from .checkpoint import Checkpoint
from .compiler import PACKAGES, CompiledPiece, package_path
from .decoder import flags
from .layer import LayerMath, attend
from .linear import GRANULE

TOKENS = "tokens"
TOLERANCE = 1e-2  # between eager and compiled, of the largest value
LARGEST = 1 << 20  # of every open dimension


@dataclass(frozen=True, slots=True)
class Sample:
    """A tensor to trace with; `dims` names its open dimensions."""

    tensor: Any
    dims: dict[int, Any]

    def first(self, count: int) -> Any:
        """The first tokens only, where the tensor has one row a token."""
        is_per_token = 0 in self.dims and str(self.dims[0].__name__) == TOKENS
        return self.tensor[:count] if is_per_token else self.tensor


class Samples:
    """Arguments of every piece, of the right shapes and types."""

    def __init__(self, math: LayerMath, numbers: Numbers, width: int) -> None:
        """width: granules of each token."""
        from torch.export import Dim

        self._math = math
        self._dtype = numbers.dtype
        self._up_dtype = numbers.up_dtype
        self._cache_dtype = numbers.cache_dtype
        self._width = width
        self._tokens = Dim(TOKENS, min=2, max=LARGEST)
        self._granules = Dim("granules", min=1, max=LARGEST)
        self._capacity = Dim("capacity", min=1, max=LARGEST)
        self._slots = Dim("slots", min=2, max=LARGEST * BLOCK)
        self._blocks = Dim("blocks", min=2, max=LARGEST)

    def of(self, piece: str) -> tuple[Any, ...]:
        return getattr(self, f"_{piece}")()

    def _project_in(self) -> tuple[Any, ...]:
        shape = self._math.architecture
        widths = [shape.num_heads, shape.num_kv_heads, shape.num_kv_heads]
        outs = [width * shape.head_dim for width in widths]
        extras: list[Sample] = []
        if self._math.biased[0]:
            extras.append(self._fixed(sum(outs)))
        if self._math.has_head_norms:
            extras += [self._fixed(shape.head_dim), self._fixed(shape.head_dim)]
        return (
            self._activations(shape.hidden_size),
            (self._activations(shape.head_dim), self._activations(shape.head_dim)),
            (self._numbers(0), self._cache(), self._cache()),
            self._adapters(),
            self._fixed(shape.hidden_size),
            self._linear(sum(outs), shape.hidden_size, 3),
            tuple(self._up(out) for out in outs),
            tuple(extras),
        )

    def _attend(self) -> tuple[Any, ...]:
        import torch

        shape = self._math.architecture
        queries = torch.randn(4, shape.num_heads, shape.head_dim, dtype=self._dtype)
        table = torch.arange(4 * 8).view(4, 8)
        return (
            Sample(queries, {0: self._tokens}),
            self._cache(),
            self._cache(),
            Sample(table, {0: self._tokens, 1: self._blocks}),
            self._numbers(0),
            self._numbers(5),
        )

    def _project_out(self) -> tuple[Any, ...]:
        shape = self._math.architecture
        hidden, inner = shape.hidden_size, shape.intermediate_size
        queries = shape.num_heads * shape.head_dim
        biases = zip(self._math.biased[1:], (hidden, 2 * inner, hidden), strict=True)
        return (
            self._activations(hidden),
            self._activations(queries),
            self._adapters(),
            self._fixed(hidden),
            self._linear(hidden, queries, 1),
            self._linear(2 * inner, hidden, 2),
            self._linear(hidden, inner, 1),
            ((self._up(hidden),), (self._up(inner), self._up(inner)), (self._up(hidden),)),
            tuple(self._fixed(size) for biased, size in biases if biased),
        )

    def _head(self) -> tuple[Any, ...]:
        shape = self._math.architecture
        return (
            self._activations(shape.hidden_size),
            self._fixed(shape.hidden_size),
            self._linear(shape.vocab_size, shape.hidden_size, 0),
        )

    def _activations(self, width: int) -> Sample:
        import torch

        return Sample(torch.randn(4, width, dtype=self._dtype), {0: self._tokens})

    def _numbers(self, start: int) -> Sample:
        import torch

        return Sample(torch.arange(start, start + 4), {0: self._tokens})

    def _adapters(self) -> tuple[Sample, Sample]:
        import torch

        granules = torch.arange(4 * self._width).view(4, self._width).remainder(4)
        return (
            Sample(granules, {0: self._tokens}),
            Sample(torch.ones(4, self._width, dtype=self._dtype), {0: self._tokens}),
        )

    def _cache(self) -> Sample:
        import torch

        shape = self._math.architecture
        slots = torch.randn(64 * BLOCK, shape.num_kv_heads, shape.head_dim).to(self._cache_dtype)
        return Sample(slots, {0: self._slots})

    def _fixed(self, size: int) -> Sample:
        import torch

        return Sample(torch.ones(size, dtype=self._dtype), {})

    def _up(self, out: int) -> Sample:
        import torch

        return Sample(torch.zeros(4, GRANULE, out, dtype=self._up_dtype), {0: self._capacity})

    def _linear(self, out: int, width: int, parts: int) -> tuple[Sample, ...]:
        import torch

        rows = parts * GRANULE
        open_rows = {0: rows * self._granules + out} if parts else {}
        encoded = self._math.kind.encode(torch.randn(out + 4 * rows, width))
        return tuple(Sample(tensor, open_rows) for tensor in encoded)


def compile_piece(function: Callable[..., Any], samples: tuple[Any, ...], package: Path) -> None:
    """Write the package; it appears when it is complete."""
    import torch

    class Piece(torch.nn.Module):
        def forward(self, *arguments: Any) -> Any:
            return function(*arguments)

    exported = torch.export.export(
        Piece(),
        _map(samples, lambda sample: sample.tensor),
        dynamic_shapes=(_map(samples, lambda sample: sample.dims or None),),
    )
    unchecked = package.with_suffix(f".{os.getpid()}.pt2")
    torch._inductor.aoti_compile_and_package(exported, package_path=str(unchecked))  # pyright: ignore[reportPrivateUsage] - AOTInductor's documented entry point
    _check(function, CompiledPiece(unchecked), samples)
    unchecked.replace(package)


def _check(function: Callable[..., Any], compiled: CompiledPiece, samples: tuple[Any, ...]) -> None:
    """Compare with the eager function, for several tokens and for one."""
    for count in (4, 1):
        arguments = _map(samples, partial(Sample.first, count=count))
        expected = function(*arguments)
        difference = float((compiled(*arguments) - expected).abs().max() / expected.abs().max())
        if not difference < TOLERANCE:
            raise RuntimeError(f"compiled code is off by {difference:.2g} of the largest value")


def _map(samples: Any, function: Callable[[Sample], Any]) -> Any:
    if isinstance(samples, Sample):
        return function(samples)
    return tuple(_map(sample, function) for sample in cast("tuple[Any, ...]", samples))


def main(folder: Path, precision: Precision, out: Path) -> None:
    import torch

    out.mkdir(parents=True, exist_ok=True)
    numbers = numbers_for(precision, "cpu")
    math = LayerMath(read_architecture(folder), numbers.kind, *flags(Checkpoint(folder, "cpu")))
    functions = {
        "project_in": math.project_in,
        "attend": attend,
        "project_out": math.project_out,
        "head": math.head,
    }
    with torch.no_grad():
        for piece, width in PACKAGES:
            package = package_path(out, piece, width)
            if not package.exists():
                samples = Samples(math, numbers, width)
                compile_piece(functions[piece], samples.of(piece), package)


if __name__ == "__main__":
    main(Path(sys.argv[1]), cast("Precision", sys.argv[2]), Path(sys.argv[3]))
