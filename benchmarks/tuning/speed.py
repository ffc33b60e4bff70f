"""How fast each tool trains the same rows by the same recipe, and in how much memory."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import harmonic_mean

from .samples import LENGTH, Prepared, fixed_length_sample
from .sitting import Measured, RunKey, Sitting
from .task import Outcome, Recipe, Task
from .tools import OURS, Tool, train

BATCH = 8  # [rows] of an optimizer step
MICRO_BATCHES = (1, 4, 8)  # [rows]
TOKENS, TRAINED, PEAK = "tokens_per_second", "trained_tokens_per_second", "peak_bytes"
STEP, WHOLE = "seconds_per_step", "tokens_per_second_with_evaluations"
SAME = Recipe(rank=16, alpha=32, dropout=0.05, learning_rate=2e-4)
SEED = 42
WARM_UP = 3  # steps
DEFAULTS = "its defaults"
CHECKPOINTED = "checkpointed"


@dataclass(frozen=True, slots=True)
class Window:
    """Which steps count."""

    warm_up: int
    measured: int

    @property
    def end(self) -> int:
        return self.warm_up + self.measured


def measure_speed(sitting: Sitting, num_rounds: int) -> None:
    """Everybody once in each round, so that a slow minute of the machine meets all alike."""
    fixed = [] if sitting.max_steps else [fixed_length_sample(sitting.base, sitting.home / "rows")]
    for number in range(num_rounds):
        for sample in (*sitting.samples, *fixed):
            prepared = sitting.prepare(sample, SEED)
            window = _window(prepared, sitting.max_steps)
            for tool in sitting.tools:
                for setting, recipe in settings(tool, sitting, sample in fixed):
                    key = RunKey(part="speed", tool=tool.name, setting=setting, sample=sample.name)
                    run = _Run(sitting, tool, recipe, prepared, window, key, number)
                    sitting.conduct(key, number, run.measure)


def settings(tool: Tool, sitting: Sitting, is_fixed: bool) -> Iterator[tuple[str, Recipe]]:
    if tool.name == OURS:
        yield DEFAULTS, replace(SAME, options={"batch_size": BATCH, "evals_per_epoch": 1})
        return
    shared = replace(SAME, all_linear=True, double_quantization=True, compute=sitting.compute)
    sizes = MICRO_BATCHES[-1:] if sitting.max_steps else MICRO_BATCHES
    for rows in sizes:
        parts = replace(shared, micro_batch=rows, accumulation=BATCH // rows)
        yield f"micro-batch {rows}", replace(parts, checkpointing=False)
        if is_fixed and rows == BATCH:
            yield f"micro-batch {rows}, {CHECKPOINTED}", replace(parts, checkpointing=True)


@dataclass(frozen=True, slots=True)
class _Run:
    sitting: Sitting
    tool: Tool
    recipe: Recipe
    prepared: Prepared
    window: Window
    key: RunKey
    number: int

    def measure(self) -> Measured:
        out = self.sitting.folder(self.key, self.number)
        shutil.rmtree(out, ignore_errors=True)
        task = Task(
            base=self.sitting.base.folder,
            data=self.prepared.sample.path,
            rows=self.prepared.rows,
            out=out,
            seed=SEED,
            recipe=self.recipe,
            max_steps=self.window.end,
        )
        trained = train(self.tool, task)
        figures = _rates(trained.outcome, self.prepared, self.window)
        details = {**trained.outcome.facts, "step_ends": trained.outcome.step_ends}
        return Measured({**figures, PEAK: trained.peak_bytes}, details)


def _window(prepared: Prepared, max_steps: int | None) -> Window:
    """A window of as many steps as an epoch has, so that all have trained about the same rows.

    Where rows are equally long, any steps do.
    """
    if max_steps:
        return Window(1, max_steps - 1)
    if set(prepared.lengths) == {LENGTH}:
        return Window(1, 3)
    per_epoch = math.ceil(len(prepared.lengths) / BATCH)
    return Window(WARM_UP, per_epoch)


def _rates(outcome: Outcome, prepared: Prepared, window: Window) -> dict[str, float | None]:
    """Where a tool tells each step's rate without evaluations and checkpoints, that counts."""
    ends = outcome.step_ends
    wall = (ends[window.end - 1] - ends[window.warm_up - 1]) / window.measured
    per_step = prepared.num_tokens / math.ceil(len(prepared.lengths) / BATCH)
    told = outcome.rates[window.warm_up : window.end]
    rate = harmonic_mean(told) if told else per_step / wall
    return {
        TOKENS: rate,
        TRAINED: rate * prepared.num_trained / prepared.num_tokens,
        STEP: per_step / rate,
        WHOLE: per_step / wall if told else None,
    }
