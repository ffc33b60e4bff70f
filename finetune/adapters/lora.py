"""`adapter_config.json` as PEFT writes it, and which of its kinds can be shared on one base."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.wording import _
from finetune.errors import AdapterInvalid
from finetune.wrong_values import told

from .files import CONFIG_FILE, WEIGHTS_FILE
from .other_forms import no_weights

# Each of these changes the base or computes something other than x + s·B·A·x.
REFUSED_IF_SET = {
    "use_dora": "DoRA",
    "alora_invocation_tokens": "activated LoRA",
    "modules_to_save": "modules_to_save",
    "trainable_token_indices": "trainable tokens",
    "lora_bias": "lora_bias",
    "target_parameters": "target_parameters",
    "layer_replication": "layer replication",
    "megatron_config": "Megatron LoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "arrow_config": "Arrow routing",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
}
# Initialisations that change the base's own weights: the adapter is wrong on an unchanged base.
REFUSED_INITS = ("pissa", "olora", "loftq", "corda", "lora_ga")


class LoraSettings(BaseModel):
    """The part of PEFT's LoRA configuration that decides what the weights mean."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    r: int = Field(ge=1)
    lora_alpha: float
    use_rslora: bool = False
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    base_model_name_or_path: str | None = None
    # Names or an expression, and layers' numbers: what was to be trained.
    target_modules: Any = None
    exclude_modules: Any = None
    layers_to_transform: Any = None

    def rank(self, module: str) -> int:
        """The rank of a module's A and B.

        PEFT's patterns match a module by its whole name or by the end of it.
        """
        return _by_pattern(self.rank_pattern, module, self.r)

    def scale(self, module: str, rank: int) -> float:
        """What B·A is multiplied by for a module: alpha/rank, or alpha/√rank for rsLoRA."""
        alpha = _by_pattern(self.alpha_pattern, module, self.lora_alpha)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def _by_pattern(patterns: Mapping[str, Any], module: str, default: Any) -> Any:
    found = (value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module))
    return next(found, default)


def read_lora(folder: Path) -> LoraSettings:
    """Read an adapter's configuration. Raises AdapterInvalid for what cannot be served."""
    if not (folder / WEIGHTS_FILE).is_file():
        raise no_weights(folder)
    return read_settings(folder)


def read_settings(folder: Path) -> LoraSettings:
    """The same, whatever form the weights have."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        problem = _("holds no {file}: it is not a PEFT adapter folder")
        raise AdapterInvalid(problem.format(file=CONFIG_FILE), folder)
    try:
        config: Any = json.loads(path.read_bytes())
        if isinstance(config, dict) and config.get("peft_type", "LORA") not in ("LORA", None):
            raise _refusal(folder, _problems(config))  # its other keys are of another kind, too
        settings = LoraSettings.model_validate(config)
    except ValidationError as error:
        raise AdapterInvalid.in_file(path, _damaged(told(error))) from error
    except (ValueError, RecursionError) as error:
        raise AdapterInvalid.in_file(path, _damaged(error)) from error
    _check_patterns(path, settings)
    if problems := _problems(config):
        raise _refusal(folder, problems)
    return settings


def _check_patterns(path: Path, settings: LoraSettings) -> None:
    for field in ("rank_pattern", "alpha_pattern"):
        for pattern in getattr(settings, field):
            try:
                re.compile(pattern)
            except re.error as error:
                said = _("{field} {pattern!r} is no pattern.").format(field=field, pattern=pattern)
                raise AdapterInvalid.in_file(path, _damaged(said)) from error


def _damaged(error: object) -> str:
    return _("is damaged: {error}").format(error=error)


def _refusal(folder: Path, problems: list[str]) -> AdapterInvalid:
    said = _("cannot share a base model: it uses {names}. Train it as plain LoRA or rsLoRA.")
    return AdapterInvalid(said.format(names=", ".join(problems)), folder)


def _problems(config: dict[str, Any]) -> list[str]:
    found = [name for key, name in REFUSED_IF_SET.items() if config.get(key)]
    kind = config.get("peft_type")
    if kind != "LORA":
        found.append(f"peft_type {kind}")
    init = str(config.get("init_lora_weights", "")).lower()
    found += [f"{init} initialisation" for name in REFUSED_INITS if init.startswith(name)]
    if config.get("bias", "none") != "none":
        found.append("trained biases")
    return found
