"""What a training has made, and how to ask it: the last lines of a command that trains."""

import shlex
from pathlib import Path

import typer

from data.wording import _
from finetune.adapters.version import AdapterVersion
from service.home import find_home


def print_made(version: AdapterVersion, home: Path) -> None:
    from finetune.evaluation.report import REPORT_FILE

    told = _("Adapter {adapter}: {folder}")
    typer.echo(told.format(adapter=version, folder=version.folder))
    report = version.folder / REPORT_FILE
    if report.is_file():
        typer.echo(_("Report: {path}").format(path=report))
    command = f"lora-chat chat {version.name}{home_option(home)}"
    typer.echo(_("Ask it: {command}").format(command=command))


def home_option(home: Path) -> str:
    """What a command has to be given to find that home."""
    return "" if home == find_home(None) else f" --home {shlex.quote(str(home))}"
