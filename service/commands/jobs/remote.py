"""`lora-chat finetune --server`: another machine trains, and this one shows it."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from data.wording import _
from finetune.training.config import Origins, TrainConfig
from service.client.fine_tuning import FineTuningServer, RemoteJob
from service.client.server import connected

from .following import check_end, follow_to_end

NUMBERS = {  # and what the API calls them
    "epochs": "n_epochs",
    "batch_size": "batch_size",
    "learning_rate_multiplier": "learning_rate_multiplier",
    "beta": "beta",
}
TYPES = {"auto": "supervised", "sft": "supervised", "dpo": "dpo", "kto": "kto"}
SENT = {"data", "validation", "name", "base", "from_adapter", "seed", "promote", "method", *NUMBERS}


def finetune_there(
    url: str,
    key: str | None,
    config: TrainConfig,
    origins: Origins,
    refused: Iterable[str],
    console: Console,
) -> None:
    """Send the file and what the API knows of the options, and follow the job to its end.

    `refused` are options of the command that only make sense here. Raises BadParameter for what the
    API does not know, and ServerRefused.
    """
    paths = _check(config, origins, refused)
    with connected(url, key, FineTuningServer) as server:
        files: dict[str, str] = {}
        for field, path in paths.items():
            _say(_("Sending {path} to {url}").format(path=path, url=url), console)
            files[field] = server.send(path).id
        model = config.from_adapter or (config.base if "base" in origins else server.base())
        job = server.create({"model": model, **files, **_wanted(config, origins)})
        _say(_("The job's id is {id}").format(id=job.id), console)
        _follow(server, url, job.id, console)


def follow_there(url: str, key: str | None, job_id: str, console: Console) -> None:
    """Show how a server's job goes until it ends. Raises ServerRefused."""
    with connected(url, key, FineTuningServer) as server:
        _follow(server, url, server.find(job_id).id, console)


def _follow(server: FineTuningServer, url: str, job_id: str, console: Console) -> None:
    again = f"lora-chat jobs follow {job_id} --server {shlex.quote(url)}"
    follow_to_end(server.events(job_id), console, again)
    _tell_end(server.find(job_id), url)


def _tell_end(job: RemoteJob, url: str) -> None:
    check_end(job.status, job.error and job.error.message)
    typer.echo(_("Adapter {adapter}, on {url}").format(adapter=job.fine_tuned_model, url=url))
    command = f"lora-chat chat {job.fine_tuned_model} --url {shlex.quote(url)}"
    typer.echo(_("Ask it: {command}").format(command=command))


def _check(config: TrainConfig, origins: Origins, refused: Iterable[str]) -> dict[str, Path]:
    """The files to send, by what they are for. Raises BadParameter."""
    unknown = [*refused, *(key for key in origins if key not in SENT)]
    if config.from_adapter and "base" in origins:
        unknown.append("base")  # it is the adapter's
    if "method" in origins and config.method == "auto":
        unknown.append("method=auto")
    if unknown:
        told = _("not with --server, whose API does not know it: {names}")
        raise typer.BadParameter(told.format(names=", ".join(unknown)), param_hint="--server")
    given = {"training_file": config.data or Path(), "validation_file": config.validation}
    files = {field: path for field, path in given.items() if path is not None}
    for path in files.values():
        if not path.is_file():
            told = _("{path} is no file, and only files can be sent")
            raise typer.BadParameter(told.format(path=path), param_hint="--server")
    return files


def _wanted(config: TrainConfig, origins: Origins) -> dict[str, Any]:
    """What was said of the job, as the API calls it."""
    numbers = {
        name: getattr(config, option) for option, name in NUMBERS.items() if option in origins
    }
    wanted: dict[str, Any] = {
        "suffix": config.name,
        "seed": config.seed if "seed" in origins else None,
        "promote": config.promote if "promote" in origins else None,
    }
    kind = TYPES[config.method]
    if numbers or kind != "supervised":
        wanted["method"] = {"type": kind, kind: {"hyperparameters": numbers}}
    return {key: value for key, value in wanted.items() if value is not None}


def _say(text: str, console: Console) -> None:
    console.print(Text(text), soft_wrap=not console.is_interactive)
