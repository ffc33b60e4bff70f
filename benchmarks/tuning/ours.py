"""Our own training, as `lora-chat finetune` runs it, with a clock beside it.

python -m benchmarks.tuning.ours TASK.json
"""

import sys
import time
from dataclasses import fields
from importlib.metadata import version
from typing import Any

from finetune.errors import TrainingStopped
from finetune.job import Job
from finetune.training.config import load_config
from finetune.training.observer import Silent, StepMetrics

from .steps import RECORDED, task_file
from .task import Kept, Outcome, Recipe, Task, read_task

SAME_NAMES = ("rank", "alpha", "dropout", "learning_rate", "epochs")


class Clock(Silent):
    """An observer; evaluations and checkpoints are part of its times."""

    def __init__(self, max_steps: int | None) -> None:
        self.max_steps = max_steps
        self.began = 0.0
        self.step_ends: list[float] = []
        self.rates: list[float] = []
        self.kept: list[Kept] = []

    def on_stage(self, text: str) -> None:
        if not self.step_ends:  # the last stage before the first step is the training
            self.began = time.perf_counter()

    def on_step(self, metrics: StepMetrics) -> None:
        self.step_ends.append(time.perf_counter() - self.began)
        self.rates.append(metrics.tokens_per_second)
        if metrics.eval_loss is not None:
            self.kept.append(Kept(metrics.step, self.step_ends[-1], loss=metrics.eval_loss))

    def should_stop(self) -> bool:
        return len(self.step_ends) == self.max_steps


def train(task: Task) -> None:
    clock = Clock(task.max_steps)
    job = Job(load_config(None, options(task)), task.out / "home", clock)
    try:
        result = job.execute()
    except TrainingStopped:
        if not clock.should_stop():
            raise
    else:
        clock.kept.append(Kept(len(clock.step_ends), clock.step_ends[-1], result.version.folder))
    facts: dict[str, Any] = {"versions": {name: version(name) for name in RECORDED}}
    Outcome(tuple(clock.step_ends), tuple(clock.kept), tuple(clock.rates), facts).write(task.out)


def options(task: Task) -> dict[str, object]:
    """Raises ValueError for what other tools alone can be told."""
    recipe = task.recipe
    foreign = {each.name for each in fields(Recipe)} - {*SAME_NAMES, "options"}
    if told := [name for name in sorted(foreign) if getattr(recipe, name)]:
        raise ValueError(f"Ours has no option {', '.join(told)}")
    return {
        "data": task.data,
        "base": str(task.base),
        "name": "benchmark",
        "seed": task.seed,
        "report_samples": 0,
        **{name: getattr(recipe, name) for name in SAME_NAMES},
        **recipe.options,
    }


if __name__ == "__main__":
    train(read_task(task_file(sys.argv[1:])))
