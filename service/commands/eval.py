"""`lora-chat eval`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from data.wording import _
from service.commands.streams import json_text
from service.home import find_home
from service.options import HomeOption, LangOption

from .adapters import TrainedBaseOption
from .data import FaultyOption, MapOption, RolesOption, read_options
from .views.progress import TerminalObserver


def evaluate(
    adapter: Annotated[str, typer.Argument(help="The adapter to judge: NAME or NAME@VERSION.")],
    data: Annotated[
        Path,
        typer.Argument(
            help="What to ask it: a file of dialogues, a table or JSON lines; a folder of them; "
            "- for standard input; hf:NAME for a data set of the Hugging Face hub."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare it with this adapter (NAME or NAME@VERSION). [default: with the base]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write the report into; nothing may be in it yet. "
            "[default: a new one under evals in the home folder]"
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Take the first so many conversations alone, to be done sooner."),
    ] = None,
    report_samples: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many questions both answer side by side in the report. More take longer. "
            "[default: 4]",
        ),
    ] = None,
    report_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How long each of these answers may become, in tokens. "
            "[default: enough for the longest reference]",
        ),
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all numbers as JSON, and no words.")
    ] = False,
    base: TrainedBaseOption = None,
    home: HomeOption = None,
    _language: LangOption = None,
) -> None:
    """Compare an adapter with its base or with another adapter.

    The report says what finetune's says, on data of your choice. Of the file that the adapter was
    trained on, the held-out part is taken.
    """
    from finetune.free_cores import give_way, let_session_give_way
    from finetune.hardware import before_torch

    before_torch()
    give_way()
    let_session_give_way()
    from finetune.adapters.files import REPORT_FILE
    from finetune.eval_job import EvalJob, EvalOptions
    from finetune.evaluation.report import METRICS_FILE

    from .views.verdict import print_findings

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
    watcher = TerminalObserver(Console(stderr=True))
    with watcher.watching():
        job = EvalJob(options, find_home(home), watcher.on_stage, watcher.on_work)
        report, folder = job.execute()
    if as_json:
        typer.echo(json_text(report.metrics()))
        return
    print_findings(report.findings, Console(highlight=False))
    typer.echo(_("Report: {path}").format(path=folder / REPORT_FILE))
    typer.echo(_("Numbers: {path}").format(path=folder / METRICS_FILE))
