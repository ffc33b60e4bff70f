"""What `lora-chat finetune` does with its options: train, say what it would do, or sweep."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.wording import _
from finetune.finish import Result
from finetune.job import Job
from finetune.sweep import Point, show
from finetune.sweep_job import SweepJob
from finetune.training.config import Origins, TrainConfig
from finetune.training.going_on.continuation import Continuation
from service.jobs.work.training import resolved

from .jobs.terminal import TerminalJob
from .opening import settings_of, state_of
from .views.made import print_made
from .views.plan import print_plan, print_sweep_plan
from .views.progress import TerminalObserver
from .views.verdict import print_findings


def train(
    config: TrainConfig,
    origins: Origins,
    home: Path,
    console: Console,
    *,
    resume: bool,
    dry_run: bool,
    sweep: Sequence[str],
) -> None:
    if dry_run and resume:
        raise typer.BadParameter(_("it does not go with --resume"), param_hint="--dry-run")
    if sweep and config.output_dir is not None:
        raise typer.BadParameter(
            _("each of its runs has a folder; leave output_dir out"), param_hint="--sweep"
        )
    observer = TerminalObserver(console)
    seen = TerminalJob(home, observer, lambda: state_of(settings_of(home)))
    job = Job(config, home, seen)
    together = SweepJob(job, sweep) if sweep else None
    if dry_run:
        _rehearse(job, together, origins)
        return
    with observer.watching(), seen.seen():
        if together is None:
            result = _train_one(job, seen, resume=resume)
        else:
            result = together.execute(
                resume=resume, on_begun=_telling(job, seen), on_tried=_print_points
            )
        seen.succeed(str(result.version), result.trained_tokens)
    if job.processes.is_first:
        _print_result(result, home)


def _train_one(job: Job, seen: TerminalJob, *, resume: bool) -> Result:
    prepared = job.prepare()
    known = {"num_steps": prepared.num_steps, "hyperparameters": resolved(prepared)}
    return job.execute(resume=resume, prepared=prepared, on_begun=_telling(job, seen, **known))


def _telling(job: Job, seen: TerminalJob, **known: Any) -> Callable[[Path], None]:
    """What makes the training a job; of several processes, the first one does it."""
    if not job.processes.is_first:
        return lambda _folder: None
    return partial(seen.begin, job, known)


def _rehearse(job: Job, sweep: SweepJob | None, origins: Origins) -> None:
    """Print what would be done."""
    if sweep is not None:
        rehearsals = sweep.rehearse()
        if job.processes.is_first:
            print_sweep_plan(sweep.points, rehearsals, Console())
        return
    rehearsal = job.rehearse()
    if job.processes.is_first:
        print_plan(origins, rehearsal, Console())


def _print_points(points: Sequence[Point]) -> None:
    console = Console()
    table = Table(_("run"), _("values"), _("held-out loss"), box=None)
    table.columns[2].justify = "right"
    for point in points:
        table.add_row(point.run.name, Text(show(point.values)), f"{point.loss:.4f}")
    console.print(table)
    told = _("The best is kept: {values}").format(values=show(points[0].values))
    console.print(Text(told), soft_wrap=True)


def _print_result(result: Result, home: Path) -> None:
    print_findings(result.findings, Console(highlight=False))
    losses = _(
        "Held-out answer loss in {precision}: base {base:.3f}, adapter {adapter:.3f} "
        "({change:+.1%})."
    )
    typer.echo(
        losses.format(
            precision=result.precision,
            base=result.base_loss,
            adapter=result.adapter_loss,
            change=-result.gain,
        )
    )
    if result.preferences is not None:
        typer.echo(result.preferences.told)
    if result.continuation is not None:
        _print_continuation(result.continuation)
    print_made(result.version, home)


def _print_continuation(done: Continuation) -> None:
    """What became of the corrections, and of what the adapter knew before."""
    if done.num_corrections:
        learned = _(
            "Of {count} new conversations, {learned} are answered word for word as they were "
            "written."
        )
        typer.echo(learned.format(count=done.num_corrections, learned=done.num_learned))
    losses = _(
        "Held-out answer loss at training precision: {parent} {before:.3f}, now {after:.3f} "
        "({rise:+.1%})."
    )
    typer.echo(
        losses.format(
            parent=done.parent, before=done.loss_before, after=done.loss_after, rise=done.rise
        )
    )
