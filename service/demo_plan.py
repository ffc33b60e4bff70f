"""What the demo trains: as much as its ten minutes allow on this machine, measured first."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

TEN_MINUTES = 600  # [seconds]
BUDGET = 540  # [seconds] of the ten minutes; the rest is for what takes longer than planned
TRIED = 600  # [tokens] of the plan that is measured
MOST = 15_000  # [tokens] that an adapter is trained on; prompts included
# Of fewer, the workshop's adapter gains less than it needs to (4,500: 24 %; 4,000: 22 %).
LEAST = 4_000
NUM_EVALUATIONS = 2  # of each
NUM_STEPS = 300  # in which the server writes a token of every answer that is being written


@dataclass(frozen=True, slots=True)
class DemoPace:
    """How fast this machine is, from a few steps of a training that was not run."""

    loading_seconds: float  # until the first step, with all that is imported
    tokens_per_second: float  # in training
    evaluation_seconds: float
    report_seconds: float
    step_seconds: float  # to write one token of a few answers

    def slowed(self, factor: float) -> "DemoPace":
        """Where everything takes so many times longer."""
        return DemoPace(
            self.loading_seconds * factor,
            self.tokens_per_second / factor,
            self.evaluation_seconds * factor,
            self.report_seconds * factor,
            self.step_seconds * factor,
        )


@dataclass(frozen=True, slots=True)
class DemoPlan:
    num_tokens: int  # that each adapter is trained on
    adapter_seconds: float  # from the command to its end
    serving_seconds: float
    total_seconds: float

    @property
    def is_in_time(self) -> bool:
        return self.total_seconds <= TEN_MINUTES


def measure(data: Path, config: Path, home: Path, set_up: Callable[[], None]) -> DemoPace:
    """Convert the base where that is yet to be done, and try a few steps, in a process of its own:
    what it holds in memory goes with it. `set_up` is called there first."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, data, config, home, set_up).result()


def make_plan(pace: DemoPace, elapsed: float, num_adapters: int) -> DemoPlan:
    """Spend what is left of the ten minutes on training so many adapters."""
    serving = pace.loading_seconds + NUM_STEPS * pace.step_seconds
    beside = (
        2 * pace.loading_seconds  # once more for the report
        + NUM_EVALUATIONS * pace.evaluation_seconds
        + pace.report_seconds
    )
    seconds = (BUDGET - elapsed - serving) / num_adapters - beside
    num_tokens = int(min(MOST, max(LEAST, seconds * pace.tokens_per_second)))
    adapter = beside + num_tokens / pace.tokens_per_second
    return DemoPlan(num_tokens, adapter, serving, elapsed + num_adapters * adapter + serving)


def _measure(data: Path, config: Path, home: Path, set_up: Callable[[], None]) -> DemoPace:
    from finetune.bases.base import find_base
    from finetune.evaluation.effort import STEP
    from finetune.hardware import before_torch
    from finetune.job import Job
    from finetune.training.config import load_config

    before_torch()
    set_up()
    options = {"data": data, "name": "demo", "max_training_tokens": TRIED}
    resolved = load_config(config, options)
    find_base(resolved.base, home)
    start = time.monotonic()
    rehearsal = Job(resolved, home).rehearse()
    seconds = time.monotonic() - start
    evaluation = rehearsal.evaluation_seconds / len(rehearsal.plan.eval_steps)
    num_read = sum(len(row.token_ids) for row in rehearsal.dataset.held_out)
    return DemoPace(
        loading_seconds=seconds,
        tokens_per_second=rehearsal.tokens_per_second,
        evaluation_seconds=evaluation,
        report_seconds=rehearsal.report_seconds,
        step_seconds=STEP * evaluation / num_read,
    )
