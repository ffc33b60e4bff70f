"""`lora-chat finetune`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .data_cli import MapOption, RolesOption, pairs
from .home import find_home
from .options import BaseOption, HomeOption


def finetune(
    data: Annotated[
        Path | None,
        typer.Argument(help="Dialogues, tables or JSON lines: a file, a folder, -, or hf:NAME."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The adapter's. [default: the file's]")] = None,
    base: BaseOption = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file of options.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Set any option: key=value. Repeatable.")
    ] = None,
    from_adapter: Annotated[
        str | None, typer.Option("--from", help="Go on training this adapter.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    promote: Annotated[
        bool | None, typer.Option(help="Let the bare name mean the new version.")
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
    redact: Annotated[
        bool | None, typer.Option("--redact", help="Replace phone numbers, e-mails and the like.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="System prompt to train and serve with.")
    ] = None,
    disclaimer: Annotated[str | None, typer.Option(help="Goes into the adapter's card.")] = None,
    home: HomeOption = None,
) -> None:
    """Train an adapter on questions and answers, then compare it with the base."""
    from finetune.config import load_config
    from finetune.job import Job

    from .progress import TerminalObserver

    options = {
        "data": data,
        "name": name,
        "base": base,
        "from_adapter": from_adapter,
        "promote": promote,
        "roles": pairs(roles, "--roles") or None,
        "columns": pairs(columns, "--map") or None,
        "redact": redact,
        "system": system,
        "disclaimer": disclaimer,
    }
    observer = TerminalObserver(Console(stderr=True))
    job = Job(load_config(config, options, assignments or ()), find_home(home), observer)
    with observer.watching():
        result = job.execute(resume=resume)
    typer.echo(result.verdict)
    typer.echo(
        f"Held-out answer loss in {result.precision}: "
        f"base {result.base_loss:.3f}, adapter {result.adapter_loss:.3f} ({-result.gain:+.1%})."
    )
    typer.echo(f"Adapter {result.name}@{result.version}: {result.folder}")
    typer.echo(f"Report: {result.folder / 'report.html'}")
    typer.echo(f"Ask it: lora-chat chat {result.name}")
