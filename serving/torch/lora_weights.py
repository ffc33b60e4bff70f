"""An adapter's weights as its files have them, checked against the base they are for."""

import itertools
import re
from dataclasses import dataclass
from typing import Any

from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.lora import LoraSettings, read_lora
from finetune.errors import AdapterInvalid
from serving.engine import AdapterRef
from serving.errors import AdapterRefused

from .architecture import GROUPS, Architecture
from .linear import GRANULE

KEY = re.compile(
    r"base_model\.model\.(?P<module>model\.layers\.(?P<layer>\d+)\.(?P<projection>.+))"
    r"\.lora_(?P<side>[AB])\.weight"
)
Place = tuple[int, str]  # layer and projection


@dataclass(frozen=True, slots=True)
class Pair:
    """What is added to a weight: factor · B · A."""

    a: Any  # [rank, in], in the file's type
    b: Any  # [out, rank]
    factor: float  # alpha / rank, or what takes its place

    @property
    def rank(self) -> int:
        return len(self.a)


@dataclass(frozen=True, slots=True)
class LoraWeights:
    pairs: dict[Place, Pair]

    @property
    def num_granules(self) -> int:
        """That the largest rank takes."""
        return -(-max(pair.rank for pair in self.pairs.values()) // GRANULE)

    @property
    def projections(self) -> set[str]:
        return {projection for _, projection in self.pairs}

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Those in which the adapter has something."""
        return [group for group in GROUPS if not self.projections.isdisjoint(group)]

    @property
    def matched(self) -> tuple[str, ...]:
        return tuple(f"layers.{layer}.{projection}" for layer, projection in self.pairs)


def load_lora(ref: AdapterRef, architecture: Architecture) -> LoraWeights:
    """Raises AdapterRefused where a tensor is missing, foreign or of another shape."""
    try:
        settings = read_lora(ref.folder)
        tensors = _read(ref)
    except AdapterInvalid as error:
        raise AdapterRefused(str(error).replace(str(ref.folder), str(ref))) from error
    sides, unmatched = _sort(tensors, architecture)
    if unmatched or not sides:
        listed = ", ".join(unmatched[:4]) or "nothing"
        raise AdapterRefused(
            f"The adapter {ref} does not fit this base: it holds {listed}"
            f"{' …' if len(unmatched) > 4 else ''}, which the base has no place for."
        )
    return LoraWeights(
        {place: _pair(place, sides[place], settings, architecture, ref) for place in sorted(sides)}
    )


def _read(ref: AdapterRef) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        # Not mapped: who reads a mapped file that somebody cuts short is killed by the system.
        return load((ref.folder / WEIGHTS_FILE).read_bytes())
    except (SafetensorError, OSError) as error:
        raise AdapterRefused(f"The adapter {ref} cannot be read: {error}") from error


def _sort(
    tensors: dict[str, Any], architecture: Architecture
) -> tuple[dict[Place, dict[str, Any]], list[str]]:
    sides: dict[Place, dict[str, Any]] = {}
    unmatched: list[str] = []
    places = set(itertools.product(range(architecture.num_layers), architecture.projections))
    for key, tensor in tensors.items():
        match = KEY.fullmatch(key)
        place = (int(match["layer"]), match["projection"]) if match else None
        if match and place in places:
            sides.setdefault(place, {})[match["side"]] = tensor
        else:
            unmatched.append(key)
    return sides, sorted(unmatched)


def _pair(
    place: Place,
    sides: dict[str, Any],
    settings: LoraSettings,
    architecture: Architecture,
    ref: AdapterRef,
) -> Pair:
    layer, projection = place
    out_features, in_features = architecture.projections[projection]
    a, b = sides.get("A"), sides.get("B")
    rank = a.shape[0] if a is not None and a.ndim else None
    if (
        not rank
        or a is None
        or b is None
        or a.shape != (rank, in_features)
        or b.shape != (out_features, rank)
    ):
        shapes = {side: tuple(tensor.shape) for side, tensor in sides.items()}
        raise AdapterRefused(
            f"The adapter {ref} does not fit this base: at layer {layer} {projection} it "
            f"has {shapes}, where A [rank, {in_features}] and B [{out_features}, rank] belong."
        )
    return Pair(a, b, settings.scale(f"model.layers.{layer}.{projection}", rank))
