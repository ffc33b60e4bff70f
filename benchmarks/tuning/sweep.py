"""Whether our defaults stand near the best of their neighbourhood: three rates, three ranks."""

from collections.abc import Iterator, Sequence
from itertools import product

from finetune.training.plan import default_learning_rate

from .quality import QualityRun
from .sitting import Sitting
from .task import Recipe
from .tools import OURS

FACTORS = {"half the rate": 0.5, "the rate": 1.0, "twice the rate": 2.0}
RANKS = (8, 16, 32)
DEFAULT = "the rate, rank 16"


def measure_sweep(sitting: Sitting, seeds: Sequence[int]) -> None:
    ours = next(tool for tool in sitting.tools if tool.name == OURS)
    for number, seed in enumerate(seeds):
        for sample in sitting.samples:
            for setting, recipe in _points(sitting):
                QualityRun(sitting, "sweep", ours, setting, recipe, sample, number, seed).conduct()


def point_name(factor: str, rank: int) -> str:
    return f"{factor}, rank {rank}"


def _points(sitting: Sitting) -> Iterator[tuple[str, Recipe]]:
    """The default point leaves everything out, so that it is what a user gets."""
    rate = default_learning_rate(sitting.base.config["hidden_size"])
    for (factor, times), rank in product(FACTORS.items(), RANKS):
        setting = point_name(factor, rank)
        told = Recipe(rank=rank, learning_rate=rate * times)
        yield setting, Recipe() if setting == DEFAULT else told
