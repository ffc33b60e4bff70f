"""Who is told how a run goes, and what is told of each step."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepMetrics:
    step: int  # counted from 1
    num_steps: int
    loss: float  # mean over the step's trained tokens, in nats
    learning_rate: float
    grad_norm: float
    tokens_per_second: float  # prompts included
    trained_tokens_per_second: float
    memory_bytes: int  # at the highest so far: the GPU's, or the process's
    eval_loss: float | None = None


class Observer(Protocol):
    """Who is told how a run goes."""

    def on_stage(self, text: str) -> None: ...

    def on_step(self, metrics: StepMetrics) -> None: ...

    def on_work(self, done: float, left: float) -> None:
        """The report's work: [seconds] of it that are done, and that are left at this pace."""
        ...

    def should_stop(self) -> bool:
        """Asked between steps; True saves the run and ends it."""
        ...


class Silent:
    """An observer that shows nothing and never stops a run."""

    def on_stage(self, text: str) -> None: ...

    def on_step(self, metrics: StepMetrics) -> None: ...

    def on_work(self, done: float, left: float) -> None: ...

    def should_stop(self) -> bool:
        return False
