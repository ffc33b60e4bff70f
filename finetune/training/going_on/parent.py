"""The adapter that a run goes on from (`--from`), and what the run takes over from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.wording import _
from finetune.adapters.card import AdapterCard, read_card
from finetune.adapters.lora import LoraSettings, read_lora
from finetune.adapters.trained_base import check_base, named_base
from finetune.adapters.versions import Version, find_version
from finetune.bases.base import Base
from finetune.errors import BaseNotFound, ConfigError
from finetune.training.config import TrainConfig

# What its card says and the run keeps, where nobody says otherwise.
KEPT = ("system", "sampling", "disclaimer", "max_tokens", "plain_marks", "quantize", "redact")


@dataclass(frozen=True, slots=True)
class Parent:
    version: Version
    card: AdapterCard | None
    lora: LoraSettings

    @property
    def folder(self) -> Path:
        return self.version.folder

    def check_base(self, base: Base) -> None:
        """Raises BaseMismatch if it was trained on another one."""
        check_base(self.version, self.folder, base)

    def hand_down(self, config: TrainConfig) -> TrainConfig:
        """The run's configuration, with the parent's values where it sets none."""
        values = {key: value for key, value in self._own().items() if value is not None}
        missing = {key: values[key] for key in values if key not in config.model_fields_set}
        exactly = {"from_adapter": str(self.version)}
        given = config.model_dump(mode="json", exclude_unset=True)
        return TrainConfig.model_validate({**given, **missing, **exactly})

    def _own(self) -> dict[str, Any]:
        lora = {"rank": self.lora.r, "alpha": self.lora.lora_alpha}
        lora |= {"use_rslora": self.lora.use_rslora}
        try:
            base = {"base": named_base(self.folder)}
        except BaseNotFound:  # then the default is tried
            base = {}
        if self.card is None:
            return {**lora, **base}
        served = self.card.model_dump(include={"system", "sampling", "disclaimer"})
        trained = {key: value for key, value in self.card.config.items() if key in KEPT}
        return {**trained, **served, **lora, **base}


def find_parent(config: TrainConfig, adapters: Path) -> Parent | None:
    """None for a fresh start.

    Raises AdapterInvalid if there is none, and ConfigError for options that it cannot take on any
    more.
    """
    if config.from_adapter is None:
        return None
    version = find_version(adapters, config.from_adapter)
    parent = Parent(version, read_card(version.folder), read_lora(version.folder))
    _check_options(config, parent.lora)
    return parent


def _check_options(config: TrainConfig, lora: LoraSettings) -> None:
    """An adapter keeps its shape; to ask for another one is an error, not something to ignore."""
    own = {"rank": lora.r, "alpha": lora.lora_alpha, "use_rslora": lora.use_rslora}
    kept = _("{key}: {adapter} keeps what it was trained with; leave the key out")
    wrong = [
        kept.format(key=key, adapter=config.from_adapter)
        for key in ("dropout", "target_modules")
        if key in config.model_fields_set
    ]
    kept = _("{key}: {adapter} has {value} and keeps it; leave the key out")
    wrong += [
        kept.format(key=key, adapter=config.from_adapter, value=value)
        for key, value in own.items()
        if key in config.model_fields_set and getattr(config, key) != value
    ]
    if wrong:
        raise ConfigError(_("These options do not fit --from"), wrong)
