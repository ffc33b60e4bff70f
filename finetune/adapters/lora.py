"""`adapter_config.json` as PEFT writes it, and which of its kinds can be shared on one base."""

import json
import math
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune.errors import AdapterInvalid, told

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"

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

    def scale(self, module: str, rank: int) -> float:
        """What B·A is multiplied by for a module: alpha/rank, or alpha/√rank for rsLoRA.

        PEFT's patterns match a module by its whole name or by the end of it.
        """
        alpha = self.lora_alpha
        for pattern, value in self.alpha_pattern.items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                alpha = value
                break
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def read_lora(folder: Path) -> LoraSettings:
    """Read an adapter's configuration. Raises AdapterInvalid for what cannot be served."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise AdapterInvalid(f"{folder} holds no {name}: it is not a PEFT adapter folder")
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_bytes())
        settings = LoraSettings.model_validate(config)
    except ValidationError as error:
        raise AdapterInvalid(f"{folder / CONFIG_FILE} is damaged: {told(error)}") from error
    except (ValueError, RecursionError) as error:
        raise AdapterInvalid(f"{folder / CONFIG_FILE} is damaged: {error}") from error
    for pattern in settings.alpha_pattern:
        try:
            re.compile(pattern)
        except re.error as error:
            raise AdapterInvalid(
                f"{folder / CONFIG_FILE} is damaged: alpha_pattern {pattern!r} is no pattern."
            ) from error
    if problems := _problems(config):
        raise AdapterInvalid(
            f"The adapter in {folder} cannot share a base model: it uses {', '.join(problems)}. "
            "Train it as plain LoRA or rsLoRA."
        )
    return settings


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
