"""Dropout that a row takes with it, whatever else it is packed with.

Which values are dropped follows from the step, the row and the module alone, and on a CPU not from
what the row is packed with. So a smaller micro-batch, a run resumed and a run on several processes
train alike. A bit for each value is kept for the backward pass, a sixteenth at most of what the
value itself takes. On a GPU other packs drop other values, as many of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEVELS = 256  # one random byte decides about one value
NO_PARENT = -1


@dataclass(frozen=True, slots=True)
class Layout:
    """Parts laid end to end in one forward pass: rows, or their common beginnings and the rest."""

    lengths: tuple[int, ...]  # [tokens] of each part
    seeds: tuple[int, ...]  # of each part's dropout in this step
    parents: tuple[int, ...] = ()  # the part that each continues, or NO_PARENT; (): none does


class Masks:
    """Draws which values are kept, for one pass after the other.

    The last mask is remembered: modules that read the same input, such as q, k and v, share one.
    """

    def __init__(self) -> None:
        self.begin(Layout((), ()))

    def begin(self, layout: Layout) -> None:
        """Another forward pass; the backward pass of the one before is over."""
        self.layout = layout
        self._key: tuple[Any, ...] = ()
        self._kept: Any = None
        self._bits: dict[tuple[int, int], Any] = {}  # by input and threshold

    def kept(self, values: Any, input_number: int, threshold: int) -> Any:
        """Ones and zeros like `values`, [tokens, width]; `threshold` of LEVELS are zeros."""
        key = (input_number, threshold, values.shape, values.dtype)
        if key != self._key:
            self._key, self._kept = key, self._draw(values, input_number, threshold)
        return self._kept

    def _draw(self, values: Any, input_number: int, threshold: int) -> Any:
        import numpy as np
        import torch

        if values.device.type == "cpu":
            key = (input_number, threshold)
            if key not in self._bits:
                self._bits[key] = self._draw_bits(values.shape[-1], *key)
            kept = np.unpackbits(self._bits[key], count=values.numel())
            return _as_ones(kept, values.dtype).view(values.shape)
        layout = self.layout
        # One draw for all rows: on a GPU a launch for each would cost more than it gives.
        generator = torch.Generator(values.device)
        generator.manual_seed(row_seed(*layout.seeds, input_number) >> 1)
        drawn = torch.rand(values.shape, device=values.device, generator=generator)
        return (drawn >= threshold / LEVELS).to(values.dtype)

    def _draw_bits(self, width: int, input_number: int, threshold: int) -> Any:
        """Eight values' in a byte: drawing costs several times what taking them apart does."""
        import numpy as np

        parts = zip(self.layout.seeds, self.layout.lengths, strict=True)
        drawn = [_random_bytes((seed, input_number), n * width) for seed, n in parts]
        return np.packbits(_joined(drawn) >= threshold)


@dataclass(frozen=True, slots=True)
class Dropout:
    """The dropout of one module's input."""

    probability: float
    input_number: int  # modules with the same number read the same input
    masks: Masks

    @property
    def threshold(self) -> int:
        return min(LEVELS - 1, round(self.probability * LEVELS))

    @property
    def scale(self) -> float:
        """What kept values are multiplied by, so that their sum stays what it was."""
        return LEVELS / (LEVELS - self.threshold)

    def apply(self, values: Any) -> Any:
        """Zeros in place of dropped values; the rest as it is. Shape [tokens, width] stays."""
        return values * self.masks.kept(values, self.input_number, self.threshold)


def row_seed(*numbers: int) -> int:
    """One seed of several numbers, the same on every machine."""
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def _random_bytes(seed: Sequence[int], size: int) -> Any:
    """SFC64 draws bytes some thirty times as fast as torch's own generator on a CPU."""
    import numpy as np

    drawn = np.random.SFC64(np.random.SeedSequence(seed)).random_raw(-(-size // 8))
    return drawn.view(np.uint8)[:size]


def _as_ones(kept: Any, dtype: Any) -> Any:
    """Bytes of one and zero as numbers, by the bits of a one: seven times as fast as converting."""
    import numpy as np
    import torch

    one = torch.ones(1, dtype=dtype).view(torch.int16 if dtype.itemsize == 2 else torch.int32)
    bits = np.multiply(kept, one.numpy()[0], dtype=one.numpy().dtype)
    return torch.from_numpy(bits).view(dtype)


def _joined(draws: Sequence[Any]) -> Any:
    import numpy as np

    return draws[0] if len(draws) == 1 else np.concatenate(draws)
