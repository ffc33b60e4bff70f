"""The adapter that a run goes on from (`--from`)."""

from pathlib import Path

from finetune.adapters.lora import LoraSettings, read_lora
from finetune.adapters.trained_base import check_base
from finetune.adapters.versions import find_version
from finetune.bases.base import Base
from finetune.errors import ConfigError

from .config import TrainConfig


def find_parent(config: TrainConfig, base: Base, adapters: Path) -> Path | None:
    """Its folder, or None for a fresh start.

    Raises AdapterInvalid if there is none, BaseMismatch if it is another base's, and ConfigError
    for options that it cannot take on any more.
    """
    if config.from_adapter is None:
        return None
    folder = find_version(adapters, config.from_adapter).folder
    _check_options(config, read_lora(folder))
    check_base(config.from_adapter, folder, base)
    return folder


def _check_options(config: TrainConfig, lora: LoraSettings) -> None:
    """An adapter keeps its shape; to ask for another one is an error, not something to ignore."""
    own = {"rank": lora.r, "alpha": lora.lora_alpha, "use_rslora": lora.use_rslora}
    wrong = [
        f"{key}: {config.from_adapter} keeps what it was trained with; leave the key out"
        for key in ("dropout", "target_modules")
        if key in config.model_fields_set
    ]
    wrong += [
        f"{key}: {config.from_adapter} has {value} and keeps it; leave the key out"
        for key, value in own.items()
        if key in config.model_fields_set and getattr(config, key) != value
    ]
    if wrong:
        raise ConfigError("These options do not fit --from", wrong)
