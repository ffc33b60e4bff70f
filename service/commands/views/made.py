"""What a training has made, and how to ask it: the last lines of a command that trains."""

import shlex
from pathlib import Path

import typer

from data.wording import _
from finetune.adapters.version import AdapterVersion
from finetune.bases.shape import FAMILIES
from service.home import find_home


def print_made(version: AdapterVersion, home: Path) -> None:
    from finetune.evaluation.report import REPORT_FILE

    told = _("Adapter {adapter}: {folder}")
    typer.echo(told.format(adapter=version, folder=version.folder))
    report = version.folder / REPORT_FILE
    if report.is_file():
        typer.echo(_("Report: {path}").format(path=report))
    option = home_option(home)
    told = _("Ask it: {command}")
    if not _is_ours(version):
        told = _("Ask it of a server that serves its base (`{verify}` says which): {command}")
    verify = f"lora-chat adapters verify {version.name}{option}"
    command = f"lora-chat chat {version.name}{option}"
    typer.echo(told.format(verify=verify, command=command))


def _is_ours(version: AdapterVersion) -> bool:
    """Whether the torch engine, which needs no more than the base, runs bases of this family."""
    shape = version.card.base.fingerprint.shape if version.card else {}
    return shape.get("model_type") in (None, *FAMILIES)


def home_option(home: Path) -> str:
    """What a command has to be given to find that home."""
    return "" if home == find_home(None) else f" --home {shlex.quote(str(home))}"
