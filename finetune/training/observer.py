"""Who is told how a run goes, and what is told of each step."""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

Stage = Literal["examples", "preferences"]


@dataclass(frozen=True, slots=True)
class StepMetrics:
    step: int  # counted from 1
    num_steps: int
    loss: float  # mean over the step's trained tokens, in nats; of preferences, their own
    learning_rate: float
    grad_norm: float
    tokens_per_second: float  # prompts included
    trained_tokens_per_second: float
    memory_bytes: int  # at the highest so far: the GPU's, or the process's
    eval_loss: float | None = None
    stage: Stage = "examples"


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


class Placed:
    """An observer of one stage's steps, which are a part of the run's."""

    def __init__(self, observer: Observer, before: int = 0, after: int = 0) -> None:
        """So many steps are done `before`, and may be done `after`."""
        self._observer = observer
        self._before = before
        self._after = after

    def on_stage(self, text: str) -> None:
        self._observer.on_stage(text)

    def on_step(self, metrics: StepMetrics) -> None:
        total = self._before + metrics.num_steps + self._after
        step = self._before + metrics.step
        self._observer.on_step(replace(metrics, step=step, num_steps=total))

    def on_work(self, done: float, left: float) -> None:
        self._observer.on_work(done, left)

    def should_stop(self) -> bool:
        return self._observer.should_stop()
