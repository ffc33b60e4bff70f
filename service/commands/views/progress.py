"""What a person sees of long work: a bar with the time left, or plain lines where none can be."""

import signal
import time
import types
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from data.wording import _
from finetune.hardware import GIB

if TYPE_CHECKING:
    from finetune.training.observer import StepMetrics

LINE_EVERY = 30  # [seconds] where there is no bar
Clock = Callable[[], float]  # [seconds]


def clock(seconds: float) -> str:
    """Hours where there are any, minutes and seconds: 1:02:05, 4:05."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class TimeColumn(ProgressColumn):
    """The time left, which runs down between two steps; before anything is known, the time gone."""

    def __init__(self, now: Clock) -> None:
        super().__init__()
        self._now = now

    def render(self, task: Task) -> Text:
        ends = task.fields["ends"]
        if ends is None:
            return Text(clock(task.elapsed or 0))
        return Text(_("{time} left").format(time=clock(max(0.0, ends - self._now()))))


class TerminalObserver:
    """An `Observer` that draws. Ctrl-C in training asks it to stop when the step is done; at other
    times, and when it comes again, it stops at once."""

    def __init__(self, console: Console, now: Clock = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._is_drawn = console.is_interactive
        self._is_stepping = False  # whoever works asks between steps whether to stop
        self._stopping = False
        self._eval_loss: float | None = None
        self._pace = StepPace(now)
        self._told = now()  # when the last plain line was written
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[place]}"),
            TimeColumn(now),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            refresh_per_second=2,
            transient=True,
        )

    @contextmanager
    def watching(self) -> Generator[None]:
        """Show the bar and catch Ctrl-C for as long as the block lasts."""
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with self._bar if self._is_drawn else nullcontext():
                yield
        finally:
            signal.signal(signal.SIGINT, before)

    def on_stage(self, text: str) -> None:
        self._is_stepping = False
        self._pace, self._eval_loss = StepPace(self._now), None
        self._say(text)
        self._draw(_("Working"))

    def on_step(self, metrics: "StepMetrics") -> None:
        left = self._pace.left_after(metrics.step, metrics.num_steps)
        if metrics.eval_loss is not None:
            self._eval_loss = metrics.eval_loss
            if self._is_drawn:
                told = _("step {step}: held-out loss {loss:.3f}")
                self._say("  " + told.format(step=metrics.step, loss=metrics.eval_loss))
        losses = _losses(metrics.loss, self._eval_loss)
        place = _("step {step} of {total}").format(step=metrics.step, total=metrics.num_steps)
        self._draw(_("Training"), place, left, losses, metrics.step, metrics.num_steps)
        is_first_or_last = self._pace.num_seen == 1 or metrics.step == metrics.num_steps
        if is_first_or_last or metrics.eval_loss is not None or self._is_time_to_tell:
            told = _("{place}, about {time} left: {losses}, {figures}").format(
                place=place, time=clock(left), losses=losses, figures=_figures(metrics)
            )
            self._tell(f"  {told}")

    def on_work(self, done: float, left: float) -> None:
        self._draw(_("Report"), f"{done / (done + left):.0%}", left, "", done, done + left)
        if self._is_time_to_tell:
            told = _("about {time} to the end of the report").format(time=clock(left))
            self._tell(f"  {told}")

    def should_stop(self) -> bool:
        self._is_stepping = True
        return self._stopping

    @property
    def _is_time_to_tell(self) -> bool:
        return self._now() - self._told >= LINE_EVERY

    def _tell(self, line: str) -> None:
        """Where there is no bar that says it."""
        if not self._is_drawn:
            self._say(line)

    def _say(self, text: str) -> None:
        self._told = self._now()
        soft_wrap = not self._is_drawn  # a line of a log stays one
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap)

    def _draw(
        self,
        what: str,
        place: str = "",
        left: float | None = None,
        numbers: str = "",
        done: float = 0,
        total: float | None = None,
    ) -> None:
        if not self._is_drawn:
            return
        if self._task is None or self._bar.tasks[0].description != what or total is None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(what, total=total, place="", numbers="", ends=None)
        ends = None if left is None else self._now() + left
        self._bar.update(
            self._task, completed=done, total=total, place=place, numbers=numbers, ends=ends
        )

    def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
        if self._stopping or not self._is_stepping:
            raise KeyboardInterrupt
        self._stopping = True
        self._say(_("Stopping when this step is done, and saving. Ctrl-C again stops at once."))


class StepPace:
    """How long the steps of one run take. It begins when nothing has been done yet."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._start = now()
        self._first: tuple[int, float] | None = None  # the first step that was seen, and when
        self.num_seen = 0

    def left_after(self, step: int, num_steps: int) -> float:
        """[seconds]: the first step counts only until there is a second, since it takes longer."""
        now = self._now()
        self.num_seen += 1
        if self._first is None:
            self._first = step, now
            each = now - self._start
        else:
            first, seen = self._first
            each = (now - seen) / (step - first)
        return (num_steps - step) * each


def _losses(trained: float, held_out: float | None) -> str:
    if held_out is None:
        return _("loss {trained:.2f}").format(trained=trained)
    both = _("loss {trained:.2f}, held out {held_out:.2f}")
    return both.format(trained=trained, held_out=held_out)


def _figures(metrics: "StepMetrics") -> str:
    return _("{rate:.0f} tokens a second, {memory:.1f} GiB of memory").format(
        rate=metrics.tokens_per_second, memory=metrics.memory_bytes / GIB
    )
