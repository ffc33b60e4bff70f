"""A PEFT model of any family, trained through PEFT's own layers."""

from typing import Any

from data.wording import _

from .batch import Batch
from .dropout import row_seed
from .padded import last_hidden, token_losses


class PlainModel:
    """Computes a PEFT model as transformers and PEFT do; `peft` is the model itself.

    What is dropped follows from the seeds of a batch's rows: a run resumed drops the same, and
    other packs drop other values, as many of them.
    """

    def __init__(self, peft: Any) -> None:
        self.peft = peft
        _switch_own_dropout_off(peft.get_base_model())

    @property
    def name(self) -> str:
        return _("PEFT's own layers")

    def token_losses(self, batch: Batch) -> Any:
        import torch

        torch.manual_seed(row_seed(*batch.layout.seeds) >> 1)
        return token_losses(self.peft, batch)

    def hidden(self, batch: Batch) -> Any:
        return last_hidden(self.peft, batch)


def _switch_own_dropout_off(model: Any) -> None:
    """Switch off what the base itself drops or jitters in training, whatever its modules call it:
    the recipe's dropout is the adapter's, and what is measured must not depend on chance."""
    import torch

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and "lora_dropout" not in name:
            module.p = 0.0
    for owner in (model.config, *model.modules()):
        for key, value in [*vars(owner).items()]:
            if ("drop" in key or "jitter" in key) and isinstance(value, float):
                setattr(owner, key, 0.0)
