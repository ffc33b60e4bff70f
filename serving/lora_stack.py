"""The adapters of one step, stacked along their ranks: any mix of them in two dense products.

    H = X·A_catᵀ        [tokens, Σ rank]
    H = H * mask        a row's own adapters times its scales, zero elsewhere
    Y = Y + H·B_catᵀ

Masked rank concatenation is LoRAX's first scheme (predibase/lorax#2). A blend is a row with
several nonzero blocks; per-request scales cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .architecture import Architecture
from .engine import Blend
from .lora_weights import LoraWeights

# Projections that share their input are computed together.
GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)


@dataclass(frozen=True, slots=True)
class StackedGroup:
    """One fused product's share: A of its adapted projections one after another, B of each.

    down: [projections · Σ rank, in]; ups: (output columns, [out, Σ rank]) of each projection.
    """

    down: Any
    ups: tuple[tuple[slice, Any], ...]

    def add_to(self, output: Any, inputs: Any, mask: Any) -> None:
        """output [tokens, out] += B·(mask * A·inputs); mask is [tokens or 1, Σ rank]."""
        hidden = inputs @ self.down.T
        hidden = hidden.view(len(inputs), len(self.ups), -1) * mask[:, None]
        for number, (columns, up) in enumerate(self.ups):
            output[:, columns] += hidden[:, number] @ up.T


class LoraStack:
    """A fixed set of adapters, stacked for every layer. Immutable once built."""

    def __init__(
        self, adapters: Sequence[tuple[str, LoraWeights]], architecture: Architecture
    ) -> None:
        self._slots: dict[str, slice] = {}
        offset = 0
        for sha256, weights in adapters:
            self._slots[sha256] = slice(offset, offset + weights.rank)
            offset += weights.rank
        self._total_rank = offset
        first = next(iter(adapters[0][1].pairs.values()))[0]
        self._dtype, self._device = first.dtype, first.device
        self.layers = [
            [self._group(layer, names, adapters, architecture) for names in GROUPS]
            for layer in range(architecture.num_layers)
        ]

    def mask(self, blends: Sequence[Blend]) -> Any:
        """Scales of every row's adapters in their slots, shape [rows, Σ rank]."""
        import torch

        mask = torch.zeros(len(blends), self._total_rank, dtype=self._dtype)
        for row, blend in enumerate(blends):
            for adapter, scale in blend:
                mask[row, self._slots[adapter.sha256]] += scale
        return mask.to(self._device)

    def _group(
        self,
        layer: int,
        names: Sequence[str],
        adapters: Sequence[tuple[str, LoraWeights]],
        architecture: Architecture,
    ) -> StackedGroup | None:
        import torch

        downs: list[Any] = []
        ups: list[tuple[slice, Any]] = []
        column = 0
        for name in names:
            out_features, in_features = architecture.projections[name]
            columns = slice(column, column + out_features)
            column += out_features
            present = [
                (key, w.pairs[layer, name]) for key, w in adapters if (layer, name) in w.pairs
            ]
            if not present:
                continue
            options = {"dtype": self._dtype, "device": self._device}
            down = torch.zeros(self._total_rank, in_features, **options)
            up = torch.zeros(out_features, self._total_rank, **options)
            for key, (a, b) in present:
                start = self._slots[key].start
                down[start : start + len(a)] = a
                up[:, start : start + len(a)] = b
            downs.append(down)
            ups.append((columns, up))
        return StackedGroup(torch.cat(downs), tuple(ups)) if downs else None
