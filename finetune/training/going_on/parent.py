"""The adapter that a run goes on from (`--from`), and what the run takes over from it."""

from collections.abc import Mapping
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


def find_parent(config: TrainConfig, adapters: Path) -> tuple[AdapterVersion | None, TrainConfig]:
    """The adapter that a run goes on from, and the run's options with its values where they set
    none. No adapter, and the options as they are, for a fresh start.

    Raises AdapterInvalid if there is none, and ConfigError for options that it cannot take on any
    more.
    """
    if config.from_adapter is None:
        return None, config
    parent = find_version(adapters, config.from_adapter).read()
    given = config.model_dump(mode="json", exclude_unset=True)
    _check_options(given, parent.settings)
    own = {key: value for key, value in _own(parent).items() if value is not None}
    exactly = {"from_adapter": str(parent)}
    return parent, TrainConfig.model_validate({**own, **given, **exactly})


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


def _check_options(given: Mapping[str, Any], lora: LoraSettings) -> None:
    """An adapter keeps its shape; to ask for another one is an error, not something to ignore."""
    adapter = given["from_adapter"]
    own = {"rank": lora.r, "alpha": lora.lora_alpha, "use_rslora": lora.use_rslora}
    kept = _("{key}: {adapter} keeps what it was trained with; leave the key out")
    wrong = [
        kept.format(key=key, adapter=adapter)
        for key in ("dropout", "target_modules")
        if key in given
    ]
    kept = _("{key}: {adapter} has {value} and keeps it; leave the key out")
    wrong += [
        kept.format(key=key, adapter=adapter, value=value)
        for key, value in own.items()
        if key in given and given[key] != value
    ]
    if wrong:
        raise ConfigError(_("These options do not fit --from"), wrong)
