"""Dropout that a row takes with it, whatever else it is packed with.

Which values are dropped follows from the step, the row and the module alone, and on a CPU not from
what the row is packed with. So a smaller micro-batch, a run resumed and a run on several processes
train alike, and no mask is kept for the backward pass. On a GPU other packs drop other values, as
many of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEVELS = 256  # one random byte decides about one value


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows laid end to end in one forward pass."""

    lengths: tuple[int, ...]  # [tokens] of each row
    seeds: tuple[int, ...]  # of each row's dropout in this step


class Masks:
    """Draws which values are kept, for one pass after the other.

    The last mask is remembered: modules that read the same input, such as q, k and v, share one.
    """

    def __init__(self) -> None:
        self.layout = Layout((), ())
        self._key: tuple[Any, ...] = ()
        self._kept: Any = None

    def kept(self, values: Any, input_number: int, threshold: int) -> Any:
        """Ones and zeros like `values`, [tokens, width]; `threshold` of LEVELS are zeros."""
        key = (self.layout, input_number, threshold, values.shape, values.dtype)
        if key != self._key:
            self._key, self._kept = key, self._draw(values, input_number, threshold)
        return self._kept

    def _draw(self, values: Any, input_number: int, threshold: int) -> Any:
        import torch

        layout, width = self.layout, values.shape[-1]
        if values.device.type == "cpu":
            rows = zip(layout.seeds, layout.lengths, strict=True)
            drawn = [_random_bytes((seed, input_number), n * width) for seed, n in rows]
            return _as_ones(_joined(drawn) >= threshold, values.dtype).view(-1, width)
        # One draw for all rows: on a GPU a launch for each would cost more than it gives.
        generator = torch.Generator(values.device)
        generator.manual_seed(row_seed(*layout.seeds, input_number) >> 1)
        drawn = torch.rand(values.shape, device=values.device, generator=generator)
        return (drawn >= threshold / LEVELS).to(values.dtype)


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
    """Booleans as ones and zeros, by the bits of a one: seven times as fast as converting them."""
    import numpy as np
    import torch

    one = torch.ones(1, dtype=dtype).view(torch.int16 if dtype.itemsize == 2 else torch.int32)
    bits = np.multiply(kept.view(np.uint8), one.numpy()[0], dtype=one.numpy().dtype)
    return torch.from_numpy(bits).view(dtype)


def _joined(draws: Sequence[Any]) -> Any:
    import numpy as np

    return draws[0] if len(draws) == 1 else np.concatenate(draws)
