"""An adapter's weights by their places in a decoder, checked against the base they are for."""

from dataclasses import dataclass
from itertools import product

from finetune.adapters.weights import LoraPair, misfit, read_pairs
from finetune.errors import AdapterInvalid
from serving.engine import AdapterRef
from serving.errors import AdapterRefused

from .architecture import GROUPS, Architecture
from .linear import GRANULE

Place = tuple[int, str]  # layer and projection
MAX_SHOWN = 4  # names in a message


@dataclass(frozen=True, slots=True)
class LoraWeights:
    pairs: dict[Place, LoraPair]

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
        pairs = read_pairs(ref.folder)
    except (AdapterInvalid, OSError) as error:
        raise AdapterRefused.of(error, ref) from error
    sizes = architecture.projections
    places = {
        f"model.layers.{layer}.{projection}.weight": (layer, projection)
        for layer, projection in product(range(architecture.num_layers), sorted(sizes))
    }
    if foreign := sorted(pairs.keys() - places.keys()):
        raise AdapterRefused(
            f"does not fit this base: it holds {', '.join(foreign[:MAX_SHOWN])}"
            f"{' …' if len(foreign) > MAX_SHOWN else ''}, which the base has no place for.",
            ref,
        )
    for name, pair in pairs.items():
        shapes = tuple(pair.a.shape), tuple(pair.b.shape)
        if problem := misfit(name, *shapes, sizes[places[name][1]]):
            raise AdapterRefused(problem, ref)
    return LoraWeights({place: pairs[name] for name, place in places.items() if name in pairs})
