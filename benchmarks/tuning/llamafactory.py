"""LLaMA-Factory's `train` command, in an environment that holds `llamafactory`.

    python -m benchmarks.tuning.llamafactory TASK.json

`run_exp` is what `llamafactory-cli train` calls; here with a callback that takes the times. The
rows are handed over as LLaMA-Factory itself caches them (`tokenized_path`).
"""

import importlib.util
import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from datasets import Dataset, DatasetDict

from .steps import Recorder, task_file, trainer_options
from .task import EXAMPLE_LENGTH, Task, read_rows, read_task

CONFIG = "config.json"


def train(task: Task) -> None:
    _stand_in_for_torchaudio()
    from llamafactory.train.tuner import (  # pyright: ignore[reportMissingImports] - see above
        run_exp,
    )

    recorder = Recorder(task, "llamafactory")
    run_exp(arguments(task), callbacks=[recorder])
    recorder.write()


def arguments(task: Task) -> dict[str, Any]:
    """The task's arguments by LLaMA-Factory's own names."""
    recipe = task.recipe
    told = {
        "lora_rank": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "lora_target": "all" if recipe.all_linear else None,
        "double_quantization": recipe.double_quantization,
        "bf16": None if recipe.compute is None else recipe.compute == "bf16",
        "disable_gradient_checkpointing": None
        if recipe.checkpointing is None
        else not recipe.checkpointing,
    }
    options = trainer_options(recipe, task)
    options.pop("gradient_checkpointing", None)  # it has a switch of its own
    return {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "model_name_or_path": str(_base(task)),
        "quantization_bit": 4,
        "template": "chatml",
        "dataset": "benchmark",
        "tokenized_path": str(_tokenized(task)),
        "cutoff_len": EXAMPLE_LENGTH,
        **{name: value for name, value in told.items() if value is not None},
        **options,
    }


def _base(task: Task) -> Path:
    """The same files, but for what they say their numbers are.

    It loads a base in the format that its config names, and the converted one's is float16, which
    autocast on a CPU refuses.
    """
    folder = task.out / "base"
    folder.mkdir(exist_ok=True)
    for file in task.base.iterdir():
        if file.name != CONFIG:
            (folder / file.name).symlink_to(file)
    config = json.loads((task.base / CONFIG).read_text(encoding="utf-8"))
    config["dtype"] = "float32" if task.recipe.compute == "fp32" else "bfloat16"
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder


def _tokenized(task: Task) -> Path:
    rows = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in read_rows(task.rows)]
    folder = task.out / "tokenized"
    DatasetDict({"train": Dataset.from_list(rows)}).save_to_disk(folder)
    return folder


def _stand_in_for_torchaudio() -> None:
    """It is imported for audio alone, and has no build for every torch."""
    if importlib.util.find_spec("torchaudio") is None:
        module = ModuleType("torchaudio")
        module.__spec__ = ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = module


if __name__ == "__main__":
    train(read_task(task_file(sys.argv[1:])))
