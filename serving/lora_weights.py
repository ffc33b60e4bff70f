"""An adapter's weights in memory, checked against the base they are to be added to."""

import itertools
import re
from dataclasses import dataclass
from typing import Any

from finetune.errors import AdapterInvalid
from finetune.lora import WEIGHTS_FILE, LoraSettings, read_lora

from .architecture import Architecture
from .engine import AdapterRef
from .errors import AdapterRefused

KEY = re.compile(
    r"base_model\.model\.(?P<module>model\.layers\.(?P<layer>\d+)\.(?P<projection>.+))"
    r"\.lora_(?P<side>[AB])\.weight"
)
Pairs = dict[tuple[int, str], tuple[Any, Any]]  # A and B by layer and projection
LARGEST = 1e15  # of a weight: beyond it, products overflow for every request in the batch


@dataclass(frozen=True, slots=True)
class LoraWeights:
    """`pairs[layer, projection]` is (A [rank, in], B [out, rank]) in float32; B carries
    alpha/rank."""

    pairs: Pairs
    rank: int  # the largest of all modules

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
    pairs = {
        place: _pair(place, pair, settings, architecture, ref) for place, pair in sides.items()
    }
    return LoraWeights(pairs, max(a.shape[0] for a, _ in pairs.values()))


def _read(ref: AdapterRef) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(ref.folder / WEIGHTS_FILE)
    except (SafetensorError, OSError) as error:
        raise AdapterRefused(f"The adapter {ref} cannot be read: {error}") from error


def _sort(
    tensors: dict[str, Any], architecture: Architecture
) -> tuple[dict[tuple[int, str], dict[str, Any]], list[str]]:
    sides: dict[tuple[int, str], dict[str, Any]] = {}
    unmatched: list[str] = []
    places = set(itertools.product(range(architecture.num_layers), architecture.projections))
    for key, tensor in tensors.items():
        match = KEY.fullmatch(key)
        place = (int(match["layer"]), match["projection"]) if match else None
        if match and place in places:
            sides.setdefault(place, {})[match["side"]] = tensor
        else:
            unmatched.append(key)
    return sides, unmatched


def _pair(
    place: tuple[int, str],
    sides: dict[str, Any],
    settings: LoraSettings,
    architecture: Architecture,
    ref: AdapterRef,
) -> tuple[Any, Any]:
    import torch

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
    scale = settings.scale(f"model.layers.{layer}.{projection}", rank)
    pair = a.float(), b.float() * scale
    if not all(float(torch.linalg.vector_norm(side, torch.inf)) < LARGEST for side in pair):
        raise AdapterRefused(
            f"The adapter {ref} is damaged: at layer {layer} {projection} it holds values that are "
            "no numbers or beyond all measure. Train it again, with a lower learning rate if its "
            "loss became NaN."
        )
    return pair
