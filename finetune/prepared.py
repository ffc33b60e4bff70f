"""What a run is made of, decided before its first step."""

from dataclasses import dataclass

from data.chat import ChatRenderer

from .bases.base import Base
from .training.config import TrainConfig
from .training.dataset import Dataset
from .training.going_on.lineage import Lineage
from .training.observer import Observer
from .training.plan import Plan


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that follows from the options and the data."""

    name: str  # the adapter's
    config: TrainConfig
    device: str
    observer: Observer
    base: Base
    lineage: Lineage | None  # of the adapter to go on from
    renderer: ChatRenderer
    dataset: Dataset
    plan: Plan
