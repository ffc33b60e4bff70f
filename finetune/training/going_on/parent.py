"""The adapter that a run goes on from (`--from`), and what the run takes over from it."""

from pathlib import Path
from typing import Any

from data.wording import _
from finetune.adapters.lora import LoraSettings
from finetune.adapters.trained_base import named_base
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version
from finetune.errors import BaseNotFound, ConfigError
from finetune.training.config import TrainConfig

# What its card says and the run keeps, where nobody says otherwise.
KEPT = ("system", "sampling", "disclaimer", "max_tokens", "plain_marks", "quantize", "redact")


def hand_down(parent: AdapterVersion, config: TrainConfig) -> TrainConfig:
    """The run's configuration, with the parent's values where it sets none."""
    values = {key: value for key, value in _own(parent).items() if value is not None}
    missing = {key: values[key] for key in values if key not in config.model_fields_set}
    exactly = {"from_adapter": str(parent)}
    given = config.model_dump(mode="json", exclude_unset=True)
    return TrainConfig.model_validate({**given, **missing, **exactly})


def _own(parent: AdapterVersion) -> dict[str, Any]:
    settings = parent.settings
    lora = {"rank": settings.r, "alpha": settings.lora_alpha, "use_rslora": settings.use_rslora}
    try:
        base = {"base": named_base(parent)}
    except BaseNotFound:  # then the default is tried
        base = {}
    if parent.card is None:
        return {**lora, **base}
    served = parent.card.model_dump(include={"system", "sampling", "disclaimer"})
    trained = {key: value for key, value in parent.card.config.items() if key in KEPT}
    return {**trained, **served, **lora, **base}


def find_parent(config: TrainConfig, adapters: Path) -> AdapterVersion | None:
    """None for a fresh start.

    Raises AdapterInvalid if there is none, and ConfigError for options that it cannot take on any
    more.
    """
    if config.from_adapter is None:
        return None
    parent = find_version(adapters, config.from_adapter).read()
    _check_options(config, parent.settings)
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
