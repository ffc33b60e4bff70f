"""A base with one trainable adapter on it, through PEFT."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.adapters.files import WEIGHTS_FILE
from finetune.errors import ConfigError

from .config import TrainConfig

UNSERVABLE = frozenset({"lm_head", "embed_tokens"})


def add_adapter(model: Any, config: TrainConfig, dropout: float) -> Any:
    """Put a fresh adapter on every target module; only its weights are trainable."""
    from peft import LoraConfig, get_peft_model

    refused = sorted(UNSERVABLE.intersection(config.target_modules))
    if refused:
        problem = f"{', '.join(refused)} cannot be served beside other adapters; leave it out"
        raise ConfigError("target_modules", [problem])
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.effective_alpha,  # pyright: ignore[reportArgumentType] - PEFT takes floats
        lora_dropout=dropout,
        target_modules=config.target_modules,
        use_rslora=config.use_rslora,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, lora)
    except ValueError as error:
        raise ConfigError("target_modules", [str(error)]) from error


def load_adapter(model: Any, folder: Path, *, trainable: bool = False) -> Any:
    """Put an existing adapter on the model, to evaluate it or to go on training it."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)


def save_settings(model: Any, folder: Path, base_id: str) -> None:
    """Write `adapter_config.json` alone, as `save_adapter` does."""
    settings = replace(model.peft_config["default"], inference_mode=True)
    settings.base_model_name_or_path = base_id
    settings.save_pretrained(str(folder))


def save_adapter(model: Any, folder: Path, base_id: str) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json` exactly as PEFT does."""
    model.peft_config["default"].base_model_name_or_path = base_id
    # Looking for changed embeddings, PEFT would ask the hub for the base by its id.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    assert (folder / WEIGHTS_FILE).is_file()


def switch_dropout_off(model: Any) -> None:
    """Switch it off for good, whatever mode the model is in."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
