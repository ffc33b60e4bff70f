"""PEFT with transformers' Trainer, the way its documentation shows it.

    python -m benchmarks.tuning.plain_peft TASK.json

Rows are padded to the longest of their batch.
"""

import sys
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from .steps import Recorder, task_file, trainer_options
from .task import Task, read_rows, read_task


def train(task: Task) -> None:
    recorder = Recorder(task)
    bf16 = task.recipe.compute == "bf16"
    trainer = Trainer(
        model=_load(task),
        args=TrainingArguments(bf16=bf16, **trainer_options(task.recipe, task)),
        train_dataset=Dataset.from_list(read_rows(task.rows)),
        data_collator=DataCollatorForSeq2Seq(_tokenizer(task)),
        callbacks=[recorder],
    )
    trainer.train()
    recorder.write()


def _load(task: Task) -> Any:
    recipe = task.recipe
    dtype = torch.bfloat16 if recipe.compute == "bf16" else torch.float32
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=bool(recipe.double_quantization),
        bnb_4bit_compute_dtype=dtype,
    )
    base: Any = AutoModelForCausalLM.from_pretrained(
        task.base, quantization_config=quantization, dtype=dtype, device_map={"": "cpu"}
    )
    base.config.use_cache = False
    if recipe.checkpointing:
        base.enable_input_require_grads()
    lora = {"r": recipe.rank, "lora_alpha": recipe.alpha, "lora_dropout": recipe.dropout}
    chosen: dict[str, Any] = {name: value for name, value in lora.items() if value is not None}
    if recipe.all_linear:
        chosen["target_modules"] = "all-linear"
    torch.manual_seed(task.seed)
    return get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **chosen))


def _tokenizer(task: Task) -> Any:
    tokenizer: Any = AutoTokenizer.from_pretrained(task.base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


if __name__ == "__main__":
    train(read_task(task_file(sys.argv[1:])))
