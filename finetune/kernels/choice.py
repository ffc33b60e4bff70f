"""Which core computes a PEFT model while it trains: ours, or PEFT's own layers."""

from typing import Any, Protocol

from finetune.bases.shape import FAMILIES

from .batch import Batch
from .model import LeanModel
from .plain import PlainModel


class Core(Protocol):
    """Computes what a training step needs of a model."""

    @property
    def peft(self) -> Any:
        """The model itself."""
        ...

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    def token_losses(self, batch: Batch) -> Any:
        """The loss of every trained token, shape [trained], in float32 and with its gradient: to
        its label, or to what a teacher says."""
        ...

    def hidden(self, batch: Batch) -> Any:
        """What the head turns into logits, of every trained token: [trained, width]."""
        ...


def choose_core(peft: Any) -> Core:
    """Ours for the families whose layers it knows, PEFT's own layers for all others."""
    is_ours = peft.get_base_model().config.model_type in FAMILIES
    return LeanModel(peft) if is_ours else PlainModel(peft)
