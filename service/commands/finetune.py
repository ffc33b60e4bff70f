"""`lora-chat finetune`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from service.home import find_home
from service.options import BaseOption, HomeOption

from .data import FaultyOption, MapOption, RolesOption, pairs


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
        str | None,
        typer.Option(
            "--from",
            help="Go on training this adapter, as its next version. Up to 20 new conversations are "
            "corrections: all are trained, and what the adapter held out measures.",
            metavar="ADAPTER",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and how long it would take.")
    ] = False,
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="rank=8,16: try each value, keep the best. Repeatable: a grid."),
    ] = None,
    promote: Annotated[
        bool | None, typer.Option(help="Let the bare name mean the new version.")
    ] = None,
    rank: Annotated[int | None, typer.Option(help="Of the adapter. [default: 16]")] = None,
    target_modules: Annotated[
        str | None, typer.Option(help="q_proj,v_proj: what is adapted. [default: all-linear]")
    ] = None,
    use_rslora: Annotated[
        bool | None, typer.Option("--use-rslora", help="Scale by alpha/√rank, for high ranks.")
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(help="The base in training: nf4, int8 or none. [default: nf4]")
    ] = None,
    prompt_loss_weight: Annotated[
        float | None, typer.Option(help="Train on prompts too, by so much. [default: 0]")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            help="OLD_DATA:0.1: mix in old data, 0.1 for each new row. With --from at least 40 old "
            "rows, of what the adapter was trained on; 0 replays none. [default: 0.1 with --from]",
            metavar="[FILE:]RATIO",
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Share of the conversations that is held out of training, to measure on. "
            "[default: 0.1, at least 10; of up to 20 new ones with --from, none]",
        ),
    ] = None,
    general_mix: Annotated[
        float | None, typer.Option(help="0.05: everyday questions for each new row. [default: 0]")
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            help="none, short (at most two answers of 64 tokens) or full. [default: full]"
        ),
    ] = None,
    report_samples: Annotated[
        int | None, typer.Option(help="Answers side by side in the report.")
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
    redact: Annotated[
        bool | None,
        typer.Option("--redact", help="Replace names, numbers and other personal data."),
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="System prompt to train and serve with.")
    ] = None,
    disclaimer: Annotated[str | None, typer.Option(help="Goes into the adapter's card.")] = None,
    home: HomeOption = None,
) -> None:
    """Train an adapter on questions and answers, then compare it with the base."""
    from finetune.free_cores import give_way
    from finetune.hardware import before_torch
    from finetune.training.config import resolve_config

    before_torch()
    give_way()
    from .training import train

    old_data, replay_ratio = _replay(replay)
    options = {
        "data": data,
        "name": name,
        "base": base,
        "from_adapter": from_adapter,
        "promote": promote,
        "rank": rank,
        "target_modules": _modules(target_modules),
        "use_rslora": use_rslora,
        "quantize": quantize,
        "prompt_loss_weight": prompt_loss_weight,
        "replay": old_data,
        "replay_ratio": replay_ratio,
        "holdout": holdout,
        "general_mix": general_mix,
        "report": report,
        "report_samples": report_samples,
        "roles": pairs(roles, "--roles") or None,
        "columns": pairs(columns, "--map") or None,
        "faulty": faulty,
        "redact": redact,
        "system": system,
        "disclaimer": disclaimer,
    }
    resolved = resolve_config(config, options, assignments or ())
    if replay is not None and resolved[0].replay is None and resolved[0].from_adapter is None:
        raise typer.BadParameter("say which file, or give --from", param_hint="--replay")
    # Of several processes, one talks.
    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    train(*resolved, find_home(home), console, resume=resume, dry_run=dry_run, sweep=sweep or ())


def _replay(text: str | None) -> tuple[str | None, Any]:
    """A path and a ratio; either may be missing, and what the ratio must be, the options say."""
    if text is None:
        return None, None
    path, _, ratio = text.rpartition(":")
    if ratio.replace(".", "", 1).isdecimal():
        return path or None, ratio
    return text, None


def _modules(text: str | None) -> str | list[str] | None:
    if text is None or text == "all-linear":
        return text
    return [part.strip() for part in text.split(",") if part.strip()]
