"""TRL's SFTTrainer with completion-only loss, in an environment that holds `trl[peft]`.

    python -m benchmarks.tuning.trl_sft TASK.json

The rows come with their completion mask: prompt and completion as columns would leave all answers
but a conversation's last untrained.
"""

import sys
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from trl import (  # pyright: ignore[reportMissingImports] - in an environment of its own
    ModelConfig,
    SFTConfig,
    SFTTrainer,
    get_peft_config,
)

from .steps import Recorder, task_file, trainer_options
from .task import IGNORED, Task, read_rows, read_task


def train(task: Task) -> None:
    recorder = Recorder(task, "trl")
    chosen = _model_config(task)
    options = trainer_options(task.recipe, task)
    if task.recipe.compute is not None:
        options["bf16"] = task.recipe.compute == "bf16"
    lora: LoraConfig = get_peft_config(chosen)
    trainer = SFTTrainer(
        model=_load(task, chosen),
        args=SFTConfig(completion_only_loss=True, **options),
        train_dataset=Dataset.from_list(_rows(task)),
        peft_config=lora,
        callbacks=[recorder],
    )
    trainer.train()
    recorder.write()


def _model_config(task: Task) -> Any:
    """TRL's own options of a model and of LoRA, with its defaults."""
    recipe = task.recipe
    told = {
        "lora_r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "lora_target_modules": "all-linear" if recipe.all_linear else None,
        "use_bnb_nested_quant": recipe.double_quantization,
        "dtype": {"bf16": "bfloat16", "fp32": "float32", None: None}[recipe.compute],
    }
    chosen = {name: value for name, value in told.items() if value is not None}
    return ModelConfig(str(task.base), use_peft=True, load_in_4bit=True, **chosen)


def _load(task: Task, chosen: Any) -> Any:
    """Load the base as TRL's own script does it; `get_quantization_config` alone would look for a
    GPU."""
    dtype = getattr(torch, chosen.dtype)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=chosen.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=chosen.use_bnb_nested_quant,
        bnb_4bit_compute_dtype=dtype,
    )
    model: Any = AutoModelForCausalLM.from_pretrained(
        task.base, quantization_config=quantization, dtype=dtype, device_map={"": "cpu"}
    )
    model.config.use_cache = False
    return model


def _rows(task: Task) -> list[dict[str, list[int]]]:
    return [
        {
            "input_ids": row["input_ids"],
            "completion_mask": [int(label != IGNORED) for label in row["labels"]],
        }
        for row in read_rows(task.rows)
    ]


if __name__ == "__main__":
    train(read_task(task_file(sys.argv[1:])))
