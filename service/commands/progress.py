"""What a person sees while a model trains: a bar on a terminal, plain lines elsewhere."""

import signal
import time
import types
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from finetune.training.trainer import StepMetrics

GIB = 1 << 30
LINE_EVERY = 5  # [steps] where the output is no terminal


def clock(seconds: float) -> str:
    """Minutes and seconds: 4:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class TerminalObserver:
    """An `Observer` that draws; the first Ctrl-C asks training to stop at the next step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stopping = False
        self._task: TaskID | None = None
        self._eval_loss: float | None = None
        self._first: tuple[int, float] | None = None  # the first step that was seen, and when
        self._bar = Progress(
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
        )

    @contextmanager
    def watching(self) -> Generator[None]:
        """Show the bar and catch Ctrl-C for as long as the block lasts."""
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with self._bar if self._console.is_terminal else nullcontext():
                yield
        finally:
            signal.signal(signal.SIGINT, before)

    def on_stage(self, text: str) -> None:
        self._console.print(f"• {text}", highlight=False, markup=False, emoji=False)

    def on_step(self, metrics: "StepMetrics") -> None:
        if metrics.step == 1 or metrics.eval_loss is not None:
            self._eval_loss = metrics.eval_loss
        if metrics.eval_loss is not None:
            self._console.print(
                f"  step {metrics.step}: held-out loss {metrics.eval_loss:.3f}", highlight=False
            )
        numbers, is_timed = self._numbers(metrics), self._is_timed(metrics)
        if self._console.is_terminal:
            self._draw(metrics, numbers)
        elif metrics.step % LINE_EVERY == 0:
            times = f" ({self._times(metrics)})" if is_timed else ""
            self._console.print(
                f"  step {metrics.step} of {metrics.num_steps}{times}: {numbers}", highlight=False
            )

    def _is_timed(self, metrics: "StepMetrics") -> bool:
        """Whether steps before this one have shown how long one takes."""
        if self._first is None or metrics.step <= self._first[0]:  # another run
            self._first = metrics.step, time.monotonic()
        return metrics.step > self._first[0]

    def _times(self, metrics: "StepMetrics") -> str:
        assert self._first is not None
        step, start = self._first
        seconds = time.monotonic() - start
        left = (metrics.num_steps - metrics.step) * seconds / (metrics.step - step)
        return f"{clock(seconds)} since step {step}, about {clock(left)} left"

    def _numbers(self, metrics: "StepMetrics") -> str:
        held_out = f" (held out {self._eval_loss:.2f})" if self._eval_loss is not None else ""
        return (
            f"loss {metrics.loss:.2f}{held_out} · rate {metrics.learning_rate:.0e} · "
            f"{metrics.tokens_per_second:.0f} tokens/s · {metrics.memory_bytes / GIB:.1f} GiB"
        )

    def _draw(self, metrics: "StepMetrics", numbers: str) -> None:
        if self._task is None or metrics.step <= self._bar.tasks[0].completed:  # another run
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task("", total=metrics.num_steps, numbers=numbers)
        self._bar.update(self._task, completed=metrics.step, numbers=numbers)

    def should_stop(self) -> bool:
        return self._stopping

    def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
        if self._stopping:
            raise KeyboardInterrupt
        self._stopping = True
        self._console.print("Stopping after this step; Ctrl-C again stops at once, unsaved.")
