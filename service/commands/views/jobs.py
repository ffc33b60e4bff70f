"""Fine-tuning jobs, for a person or a program to read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.local_time import local_time
from data.wording import N_, _
from service.commands.streams import json_text
from service.jobs.job import FineTuningJob

STATUSES = {
    "validating_files": N_("checked"),
    "queued": N_("waits"),
    "running": N_("runs"),
    "paused": N_("paused"),
    "succeeded": N_("succeeded"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}
TERMINAL = N_("(a terminal)")
NOBODY = N_("(no key)")
NONE_YET = N_(
    "There has been no job yet. `lora-chat finetune FILE` does one here; servers take them over "
    "their API."
)


def print_jobs(
    jobs: Sequence[FineTuningJob], names: Mapping[str, str], console: Console, *, wants_json: bool
) -> None:
    """`names` are those of the keys, by their ids."""
    if wants_json:
        _print_json({"jobs": [as_json(job, names) for job in jobs]}, console)
        return
    if not jobs:
        console.print(_(NONE_YET), soft_wrap=True)
        return
    table = Table(
        Column("id", no_wrap=True, min_width=len(jobs[0].id)),
        Column(_("adapter"), overflow="fold"),
        Column(_("status"), no_wrap=True),
        Column(_("step"), justify="right", no_wrap=True),
        Column(_("began"), no_wrap=True),
        Column(_("whose"), overflow="fold"),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    for job in jobs:
        cells = (job.id, job.version or job.name, _(STATUSES[job.status]), steps(job))
        table.add_row(*map(Text, (*cells, _time(job.started), _whose(job, names))))
    console.print(table)


def print_job(
    job: FineTuningJob,
    names: Mapping[str, str],
    files: Mapping[str, str],
    home: Path,
    console: Console,
    *,
    wants_json: bool,
) -> None:
    """`files` are the names of files, by their ids; `home` is where its run lies."""
    run = home / job.run
    if wants_json:
        _print_json(as_json(job, names) | {"run": str(run)}, console)
        return
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    table.columns[1].overflow = "fold"
    for label, value in _details(job, names, files, run):
        if value:
            table.add_row(label, Text(value))
    console.print(table)


def steps(job: FineTuningJob) -> str:
    return "" if job.num_steps is None else f"{job.step:,}/{job.num_steps:,}"


def as_json(job: FineTuningJob, names: Mapping[str, str]) -> dict[str, Any]:
    return asdict(job) | {"key_name": names.get(job.key_id)}


def _details(
    job: FineTuningJob, names: Mapping[str, str], files: Mapping[str, str], run: Path
) -> Iterator[tuple[str, str]]:
    yield "id", job.id
    yield _("status"), _(STATUSES[job.status])
    yield _("error"), "" if job.error is None else f"{job.error.message} ({job.error.code})"
    yield _("adapter"), job.version or job.name
    yield (
        _("answers as"),
        _(", ").join([job.fine_tuned_model, job.alias] if job.fine_tuned_model else []),
    )
    yield _("model"), job.model
    yield _("data"), _file(job.training_file, files)
    yield _("to measure on"), _file(job.validation_file, files)
    yield _("step"), steps(job)
    yield _("trained tokens"), "" if job.trained_tokens is None else f"{job.trained_tokens:,}"
    yield _("settings"), _pairs(job.hyperparameters or {})
    yield _("options"), _pairs(job.options | {"seed": job.seed})
    yield _("notes"), _pairs(job.metadata or {})
    yield _("made"), _time(job.created)
    yield _("began"), _time(job.started)
    yield _("ends about"), _time(job.estimated_finish)
    yield _("ended"), _time(job.finished)
    yield _("whose"), _whose(job, names)
    yield _("results"), _(", ").join(job.result_files)
    yield _("folder"), str(run) if run.is_dir() else ""


def _file(file_id: str | None, files: Mapping[str, str]) -> str:
    if file_id is None:
        return ""
    return f"{files[file_id]} ({file_id})" if file_id in files else file_id


def _pairs(values: Mapping[str, Any]) -> str:
    return _(", ").join(f"{key} {value}" for key, value in values.items() if value is not None)


def _whose(job: FineTuningJob, names: Mapping[str, str]) -> str:
    if job.source == "terminal":
        return _(TERMINAL)
    return names.get(job.key_id) or job.key_id or _(NOBODY)


def _time(seconds: int | None) -> str:
    return "" if seconds is None else local_time(seconds)


def _print_json(value: Any, console: Console) -> None:
    console.out(json_text(value, indent=2), highlight=False)
