"""What a person sees while a model trains and a report is made."""

import signal
from io import StringIO

import pytest
from rich.console import Console

from finetune.training.observer import StepMetrics
from service.commands.views.progress import TerminalObserver, clock


class Clock:
    """Time that goes on when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def step(number: int, num_steps: int = 5, eval_loss: float | None = None) -> StepMetrics:
    return StepMetrics(
        step=number,
        num_steps=num_steps,
        loss=2.5,
        learning_rate=1e-3,
        grad_norm=1.0,
        tokens_per_second=321.0,
        trained_tokens_per_second=200.0,
        memory_bytes=3 << 29,
        eval_loss=eval_loss,
    )


def test_a_log_has_a_line_at_the_first_step_at_evaluations_and_now_and_then():
    shown, now = StringIO(), Clock()
    observer = TerminalObserver(Console(file=shown, width=80), now)
    with observer.watching():
        observer.on_stage("Training")
        for number in range(1, 21):
            now.seconds += 20 if number == 1 else 10
            observer.on_step(step(number, 20, eval_loss=1.75 if number == 5 else None))
    numbers = "321 tokens a second, 1.5 GiB of memory"
    assert shown.getvalue().splitlines()[:4] == [
        "Training",
        f"  step 1 of 20, about 6:20 left: loss 2.50, {numbers}",
        f"  step 4 of 20, about 2:40 left: loss 2.50, {numbers}",
        f"  step 5 of 20, about 2:30 left: loss 2.50, held out 1.75, {numbers}",
    ]
    told = [line.split()[1] for line in shown.getvalue().splitlines()[1:]]
    assert told == ["1", "4", "5", "8", "11", "14", "17", "20"]


def test_a_log_says_now_and_then_how_long_the_report_takes():
    shown, now = StringIO(), Clock()
    observer = TerminalObserver(Console(file=shown, width=80), now)
    with observer.watching():
        observer.on_stage("Comparing")
        for _ in range(50):
            now.seconds += 2
            observer.on_work(now.seconds, 100 - now.seconds)
    assert shown.getvalue().splitlines() == [
        "Comparing",
        "  about 1:10 to the end of the report",
        "  about 0:40 to the end of the report",
        "  about 0:10 to the end of the report",
    ]


def drawn(width: int) -> tuple[StringIO, Console]:
    """A terminal, and what it was sent."""
    shown = StringIO()
    console = Console(file=shown, width=width, force_terminal=True, color_system=None)
    assert console.is_interactive
    return shown, console


def last_bar(shown: StringIO, what: str) -> str:
    lines = shown.getvalue().replace("\r", "\n").splitlines()
    return next(line for line in reversed(lines) if what in line)


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_fits_says_the_time_left_and_begins_anew_with_each_run(width: int):
    now = Clock()
    shown, console = drawn(width)
    observer = TerminalObserver(console, now)
    with observer.watching():
        observer.on_stage("Training")
        for number in range(1, 1200):
            now.seconds += 10
            observer.on_step(step(number, 12_000, eval_loss=1.75 if number == 3 else None))
        observer.on_stage("Training again")
        now.seconds += 10
        observer.on_step(step(1, num_steps=9))
    bar = last_bar(shown, "Training ")
    assert "step 1 of 9 1:20 left loss 2.50" in " ".join(bar.split())
    assert "held out" not in bar
    for line in shown.getvalue().replace("\r", "\n").splitlines():
        assert "…" not in line


def test_the_report_has_a_bar_that_tells_the_time_left():
    now = Clock()
    shown, console = drawn(80)
    observer = TerminalObserver(console, now)
    with observer.watching():
        observer.on_stage("Comparing")
        observer.on_work(30, 90)
    assert "25% 1:30 left" in " ".join(last_bar(shown, "Report").split())


def test_no_line_begins_with_a_bullet_or_stands_between_dots():
    now = Clock()
    shown, console = drawn(80)
    observer = TerminalObserver(console, now)
    with observer.watching():
        observer.on_stage("Reading data.txt")
        observer.on_step(step(1))
    assert not set("•·…") & set(shown.getvalue())


def test_in_training_ctrl_c_waits_for_the_step_and_stops_at_once_when_it_comes_again():
    shown = StringIO()
    observer = TerminalObserver(Console(file=shown, width=80))
    with observer.watching():
        assert not observer.should_stop()
        signal.raise_signal(signal.SIGINT)
        assert observer.should_stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert "Stopping when this step is done" in shown.getvalue()


@pytest.mark.parametrize("has_trained", [False, True])
def test_before_and_after_training_ctrl_c_stops_at_once(has_trained: bool):
    observer = TerminalObserver(Console(file=StringIO()))
    with observer.watching():
        if has_trained:
            observer.should_stop()
            observer.on_stage("Comparing")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("seconds", "told"), [(5.9, "0:05"), (245, "4:05"), (3725, "1:02:05")])
def test_a_time_is_told_as_on_a_clock(seconds: float, told: str):
    assert clock(seconds) == told
