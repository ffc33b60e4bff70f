"""`lora-chat eval`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.home import find_home
from service.options import HomeOption

from .adapters import TrainedBaseOption
from .data import FaultyOption, MapOption, RolesOption, read_options


def evaluate(
    adapter: Annotated[str, typer.Argument(help="A name, or name@version.")],
    data: Annotated[
        Path,
        typer.Argument(help="Dialogues, tables or JSON lines: a file, a folder, -, or hf:NAME."),
    ],
    against: Annotated[
        str | None, typer.Option(help="Another adapter to compare with. [default: the base]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder. [default: one under home/evals]")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take the first so many conversations.")
    ] = None,
    report_samples: Annotated[
        int | None, typer.Option(min=0, help="Answers to write and show. [default: 4]")
    ] = None,
    report_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of each. [default: by the references' lengths]")
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
    base: TrainedBaseOption = None,
    home: HomeOption = None,
) -> None:
    """Compare an adapter with its base, or with another adapter, and write a report.

    Of the data that it was trained on, the held-out part is taken.
    """
    from finetune.free_cores import give_way
    from finetune.hardware import before_torch

    before_torch()
    give_way()
    from finetune.eval_job import EvalJob, EvalOptions
    from finetune.evaluation.report import METRICS_FILE, REPORT_FILE

    from .verdict_view import print_findings

    reading = read_options(roles, columns, faulty)
    options = EvalOptions(
        adapter,
        data,
        against=against,
        base=base,
        out=out,
        limit=limit,
        report_samples=report_samples,
        report_tokens=report_tokens,
        reading=reading,
    )
    report, folder = EvalJob(options, find_home(home), _announce).execute()
    if as_json:
        typer.echo(json.dumps(report.metrics(), ensure_ascii=False, indent=1))
        return
    print_findings(report.findings, Console(highlight=False))
    typer.echo(f"Report: {folder / REPORT_FILE}")
    typer.echo(f"Numbers: {folder / METRICS_FILE}")


def _announce(stage: str) -> None:
    typer.echo(f"• {stage}", err=True)
