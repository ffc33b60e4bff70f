"""A base with one trainable adapter on it, through PEFT."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from data.wording import _
from finetune.adapters.files import WEIGHTS_FILE
from finetune.errors import ConfigError

from .config import TrainConfig

READ_PAST = (".x_proj", ".dt_proj", ".out_proj")


def add_adapter(model: Any, config: TrainConfig, dropout: float) -> Any:
    """Put a fresh adapter on every target module; only its weights are trainable."""
    from peft import LoraConfig, get_peft_model

    chosen = config.target_modules
    _refuse_tables(model, chosen)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.effective_alpha,  # pyright: ignore[reportArgumentType] - PEFT takes floats
        lora_dropout=dropout,
        target_modules=layers_of(model) if chosen == "all-linear" else chosen,
        use_rslora=config.use_rslora,
        task_type="CAUSAL_LM",
    )
    try:
        adapted: Any = get_peft_model(model, lora)
    except ValueError as error:
        raise ConfigError("target_modules", [str(error)]) from error
    if adapted.peft_config["default"].target_parameters:
        told = _("experts cannot be served beside other adapters; name other layers, as {names}")
        raise ConfigError("target_modules", [told.format(names="[q_proj, v_proj]")])
    return adapted


def layers_of(model: Any) -> list[str]:
    """The linear layers of the language model, by their names: what is meant by all of them.

    PEFT's own choice would also take those of a tower for pictures, which text never reaches; a
    mixture of experts, which nothing serves; and the products of a state space behind its
    first, whose weights its kernels read past the adapter.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    modules = dict(model.named_modules())
    decoder = next(name for name, module in modules.items() if module is model.get_decoder())
    inside = f"{decoder}." if decoder else ""
    mixtures = tuple(f"{name}." for name, module in modules.items() if hasattr(module, "experts"))
    return [
        name
        for name, module in modules.items()
        if isinstance(module, (torch.nn.Linear, Conv1D))
        and module is not model.get_output_embeddings()
        and name.startswith(inside)
        and not name.startswith(mixtures)
        and not (name.endswith(READ_PAST) and hasattr(modules[_parent(name)], "conv1d"))
    ]


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _refuse_tables(model: Any, chosen: str | list[str]) -> None:
    """Raises ConfigError for the embedding, and for the product with the vocabulary."""
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    names = {name for name, module in model.named_modules() if any(module is t for t in tables)}
    ends = {name.rpartition(".")[2] for name in names}
    if refused := sorted(names.union(ends).intersection(chosen)):
        told = _("{names} cannot be served beside other adapters; leave it out")
        raise ConfigError("target_modules", [told.format(names=", ".join(refused))])


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
