"""What a person sees while a model trains."""

from io import StringIO

import pytest
from rich.console import Console

from finetune.training.trainer import StepMetrics
from service.commands.progress import TerminalObserver


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


def test_every_number_is_on_a_line_where_there_is_no_terminal():
    shown = StringIO()
    observer = TerminalObserver(Console(file=shown, width=200))
    with observer.watching():
        for number in range(1, 6):
            observer.on_step(step(number, eval_loss=1.75 if number == 3 else None))
    assert shown.getvalue().splitlines() == [
        "  step 3: held-out loss 1.750",
        "  step 5 of 5 (0:00 since step 1, about 0:00 left): "
        "loss 2.50 (held out 1.75) · rate 1e-03 · 321 tokens/s · 1.5 GiB",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_fits_and_begins_anew_with_each_run_of_a_sweep(width: int):
    shown = StringIO()
    observer = TerminalObserver(Console(file=shown, width=width, force_terminal=True))
    with observer.watching():
        for number in range(1, 6):
            observer.on_step(step(number, eval_loss=1.75))
        observer.on_step(step(1, num_steps=9))
    last = next(line for line in reversed(shown.getvalue().splitlines()) if "GiB" in line)
    assert "1/9" in last
    assert "held out" not in last
    assert "1.5 GiB" in last
    assert "…" not in last
