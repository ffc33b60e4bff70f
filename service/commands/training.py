"""What `lora-chat finetune` does with its options: train, say what it would do, or sweep."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.wording import _
from finetune.errors import Interrupted
from finetune.finish import Result
from finetune.job import Job
from finetune.sweep import Point, parse_sweep, rehearse_sweep, run_sweep, show, sweep_folder
from finetune.training.config import Origins, TrainConfig
from finetune.training.going_on.continuation import Continuation
from service.home import find_home

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
    job = Job(config, home, observer)
    if dry_run:
        _rehearse(job, origins, sweep)
        return
    with observer.watching():
        result = _sweep(job, sweep, resume=resume) if sweep else job.execute(resume=resume)
    if job.processes.is_first:
        _print_result(result, home)


def _rehearse(job: Job, origins: Origins, sweep: Sequence[str]) -> None:
    """Print what would be done."""
    if not sweep:
        rehearsal = job.rehearse()
        if job.processes.is_first:
            print_plan(job.config, origins, rehearsal, Console())
        return
    points, folder = parse_sweep(sweep), sweep_folder(job.home / "runs", job.name, resume=False)
    rehearsals = rehearse_sweep(
        job.config, points, folder, lambda config, like: _job_of(job, config).rehearse(like)
    )
    if job.processes.is_first:
        print_sweep_plan(points, rehearsals, Console())


def _job_of(job: Job, config: TrainConfig) -> Job:
    """One run of a sweep."""
    return Job(config, job.home, job.observer, job.processes)


def _sweep(job: Job, assignments: Sequence[str], *, resume: bool) -> Result:
    """Train every combination, and finish the best."""
    points = parse_sweep(assignments)
    runs = job.home / "runs"
    folder = job.processes.from_first(lambda: sweep_folder(runs, job.name, resume=resume))

    named = job.config.model_copy(update={"name": job.name})
    try:
        tried = run_sweep(
            named,
            points,
            folder,
            lambda config: _job_of(job, config).try_out(),
            job.observer.on_stage,
            is_first=job.processes.is_first,
        )
    except KeyboardInterrupt:
        if not folder.exists():
            raise
        told = _(
            "Stopped. The runs that are over are kept in {folder}. Go on with the same command and "
            "--resume."
        )
        raise Interrupted(told.format(folder=folder)) from None
    if job.processes.is_first:
        _print_points(tried, Console())
    return _job_of(job, tried[0].config).execute(resume=True)


def _print_points(points: Sequence[Point], console: Console) -> None:
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
    if result.continuation is not None:
        _print_continuation(result.continuation)
    told = _("Adapter {adapter}: {folder}")
    typer.echo(told.format(adapter=result.version, folder=result.version.folder))
    if result.report is not None:
        typer.echo(_("Report: {path}").format(path=result.report))
    own = "" if home == find_home(None) else f" --home {shlex.quote(str(home))}"
    command = f"lora-chat chat {result.version.name}{own}"
    typer.echo(_("Ask it: {command}").format(command=command))


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
