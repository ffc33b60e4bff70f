"""When each step of a transformers Trainer ended, and the adapter after each epoch."""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerCallback

from .task import Kept, Outcome, Recipe, Task

RECORDED = ("transformers", "peft", "bitsandbytes", "accelerate", "torch")


class Recorder(TrainerCallback):
    """Its own work and the tool's evaluations are no part of the times."""

    def __init__(self, task: Task, *packages: str) -> None:
        self.task = task
        self.packages = packages
        self.began = 0.0
        self.step_ends: list[float] = []
        self.kept: list[Kept] = []
        self.facts: dict[str, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.facts = {
            "versions": {name: version(name) for name in (*self.packages, *RECORDED)},
            "resolved": _describe(args, others["model"]),
        }
        self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.step_ends.append(time.perf_counter() - self.began)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if not self.task.keeps_adapters:
            return
        before = time.perf_counter()
        folder = self.task.out / f"step-{state.global_step}"
        others["model"].save_pretrained(str(folder), save_embedding_layers=False)
        self.kept.append(Kept(state.global_step, self.step_ends[-1], folder))
        self.began += time.perf_counter() - before

    def write(self) -> None:
        Outcome(tuple(self.step_ends), tuple(self.kept), (), self.facts).write(self.task.out)


def trainer_options(recipe: Recipe, task: Task) -> dict[str, Any]:
    """What transformers' TrainingArguments and its heirs are told; a default is left out."""
    told = {
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_ratio": recipe.warmup_ratio,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": recipe.micro_batch,
        "gradient_accumulation_steps": recipe.accumulation,
        "gradient_checkpointing": recipe.checkpointing,
        "max_steps": task.max_steps,
    }
    return {
        "output_dir": str(task.out / "trainer"),
        "seed": task.seed,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        "dataloader_pin_memory": False,
        **{name: value for name, value in told.items() if value is not None},
        **recipe.options,
    }


def _describe(args: Any, model: Any) -> dict[str, Any]:
    """What the tool has made of it, defaults included."""
    (config,) = model.peft_config.values()
    dtypes = {str(each.dtype) for each in model.parameters() if each.requires_grad}
    # Not `args.gradient_checkpointing`: LLaMA-Factory has a switch of its own.
    is_checkpointed = any(
        getattr(each, "gradient_checkpointing", False) for each in model.modules()
    )
    return {
        "learning_rate": args.learning_rate,
        "schedule": args.lr_scheduler_type.value,
        "epochs": args.num_train_epochs,
        "micro_batch": args.per_device_train_batch_size,
        "accumulation": args.gradient_accumulation_steps,
        "autocast_bf16": args.bf16,
        "checkpointing": is_checkpointed,
        "rank": config.r,
        "alpha": config.lora_alpha,
        "dropout": config.lora_dropout,
        "targets": sorted({each.rpartition(".")[2] for each in config.target_modules}),
        "adapter_dtypes": sorted(dtypes),
        "model_dtype": str(model.dtype),
        "is_4bit": bool(getattr(model, "is_loaded_in_4bit", False)),
    }


def task_file(arguments: list[str]) -> Path:
    (path,) = arguments
    return Path(path)
