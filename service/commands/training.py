"""What `lora-chat finetune` does with its options: train, say what it would do, or sweep."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.errors import Interrupted
from finetune.finish import Result
from finetune.job import Job
from finetune.sweep import Point, parse_sweep, run_sweep, show, sweep_folder
from finetune.training.config import Origins, TrainConfig
from service.home import find_home

from .plan_view import print_plan
from .progress import TerminalObserver
from .verdict_view import print_findings


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
    if dry_run and (resume or sweep):
        raise typer.BadParameter(
            "it goes with neither --resume nor --sweep", param_hint="--dry-run"
        )
    if sweep and config.output_dir is not None:
        raise typer.BadParameter(
            "each of its runs has a folder; leave output_dir out", param_hint="--sweep"
        )
    observer = TerminalObserver(console)
    job = Job(config, home, observer)
    if dry_run:
        rehearsal = job.rehearse()
        if job.processes.is_first:
            print_plan(config, origins, rehearsal, Console())
        return
    with observer.watching():
        result = _sweep(job, sweep, resume=resume) if sweep else job.execute(resume=resume)
    if job.processes.is_first:
        _print_result(result, home)


def _sweep(job: Job, assignments: Sequence[str], *, resume: bool) -> Result:
    """Train every combination, and finish the best."""
    points = parse_sweep(assignments)
    runs = job.home / "runs"
    folder = job.processes.from_first(lambda: sweep_folder(runs, job.name, resume=resume))

    def job_of(config: TrainConfig) -> Job:
        return Job(config, job.home, job.observer, job.processes)

    named = job.config.model_copy(update={"name": job.name})
    try:
        tried = run_sweep(
            named,
            points,
            folder,
            lambda config: job_of(config).try_out(),
            job.observer.on_stage,
            is_first=job.processes.is_first,
        )
    except KeyboardInterrupt:
        if not folder.exists():
            raise
        raise Interrupted(
            f"Stopped. The runs that are over are kept in {folder}. Go on with the same command "
            "and --resume."
        ) from None
    if job.processes.is_first:
        _print_points(tried, Console())
    return job_of(tried[0].config).execute(resume=True)


def _print_points(points: Sequence[Point], console: Console) -> None:
    table = Table("run", "values", "held-out loss", box=None)
    table.columns[2].justify = "right"
    for point in points:
        table.add_row(point.run.name, Text(show(point.values)), f"{point.loss:.4f}")
    console.print(table)
    console.print(Text(f"The best is kept: {show(points[0].values)}"), soft_wrap=True)


def _print_result(result: Result, home: Path) -> None:
    print_findings(result.findings, Console(highlight=False))
    typer.echo(
        f"Held-out answer loss in {result.precision}: "
        f"base {result.base_loss:.3f}, adapter {result.adapter_loss:.3f} ({-result.gain:+.1%})."
    )
    typer.echo(f"Adapter {result.name}@{result.version}: {result.folder}")
    if result.report is not None:
        typer.echo(f"Report: {result.report}")
    own = "" if home == find_home(None) else f" --home {shlex.quote(str(home))}"
    typer.echo(f"Ask it: lora-chat chat {result.name}{own}")
