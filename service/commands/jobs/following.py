"""A job that runs elsewhere, shown as a terminal shows its own training: from its events."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import typer
from rich.console import Console

from data.wording import N_, _
from finetune.errors import Interrupted
from finetune.training.observer import StepMetrics
from service.commands.streams import say
from service.commands.views.progress import Clock, TerminalObserver

# What is said of every job; events themselves are in English.
MESSAGES = {
    N_("Created fine-tuning job"),
    N_("Validating training file"),
    N_("Files validated, moving job to queued state"),
    N_("Fine-tuning job started"),
    N_("Fine-tuning job paused"),
    N_("Fine-tuning job resumed"),
    N_("Fine-tuning job cancelled"),
    N_("The job has successfully completed"),
}
FINISHING = N_("All steps are done; the adapter and its report are being made")


class Told(Protocol):
    """An event, of this home's or of a server's."""

    @property
    def created(self) -> int: ...  # [Unix seconds], by the clock of whoever runs the job

    @property
    def level(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def data(self) -> Mapping[str, Any] | None: ...


class EventClock:
    """The time where events come from: that of the last one, and what has passed since. What is
    told of the past so takes as long as it did."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._now = now
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._now() + self._ahead

    def set(self, created: int) -> None:
        self._ahead = created - self._now()


def show(events: Iterable[Told], console: Console, now: Clock = time.monotonic) -> None:
    """Show events as they come, until there are no more. Ctrl-C raises KeyboardInterrupt."""
    clock = EventClock(now)
    observer = TerminalObserver(console, clock)
    with observer.watching():
        for event in events:
            clock.set(event.created)
            metrics = None if event.data is None else _metrics(event.data)
            if event.level == "error":
                continue  # which is the end, and said there
            if metrics is None:
                observer.on_stage(_in_words(event.message))
                continue
            observer.on_step(metrics)
            if metrics.step == metrics.num_steps:
                observer.on_stage(_(FINISHING))


def follow_to_end(events: Iterable[Told], console: Console, again: str) -> None:
    """Show events until there are no more. Raises Interrupted on Ctrl-C, which says that the job
    goes on; `again` is the command that shows it further."""
    try:
        show(events, console)
    except KeyboardInterrupt:
        told = _("This was stopped; the job goes on. Follow it again: {command}")
        raise Interrupted(told.format(command=again)) from None


def check_end(status: str, error: str | None) -> None:
    """Say why a job has not succeeded, and end the command so."""
    if status == "succeeded":
        return
    said = _("Error: {error}").format(error=error) if error else _("The job was cancelled.")
    say(said, err=True)
    raise typer.Exit(1)


def _in_words(message: str) -> str:
    head, colon, rest = message.partition(":")
    return f"{_(head)}{colon}{rest}" if head in MESSAGES else message


def _metrics(data: Mapping[str, Any]) -> StepMetrics | None:
    """What a step's event tells, if it is one's; OpenAI's own have no more than losses."""
    if not {"step", "total_steps", "train_loss"} <= data.keys():
        return None
    return StepMetrics(
        step=data["step"],
        num_steps=data["total_steps"],
        loss=data["train_loss"],
        learning_rate=data.get("learning_rate", 0.0),
        grad_norm=0.0,  # which nobody is shown
        tokens_per_second=data.get("tokens_per_second", 0.0),
        trained_tokens_per_second=0.0,
        memory_bytes=data.get("memory_bytes", 0),
        eval_loss=data.get("full_valid_loss"),
    )
