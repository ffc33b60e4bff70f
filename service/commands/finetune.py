"""`lora-chat finetune`."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from service.home import find_home
from service.options import BaseOption, HomeOption, LangOption, ServerKeyOption, ServerOption
from service.own_command import run_command

from .data import FaultyOption, MapOption, RolesOption, pairs


def finetune(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="What to train on: a file of dialogues, a table or JSON lines; a folder of them; "
            "- for standard input; hf:NAME for a data set of the Hugging Face hub."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="The adapter's name, by which you ask for it. [default: the file's name]"
        ),
    ] = None,
    base: BaseOption = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file of options, like those in configs/. What the command line says wins."
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set any option, also one that is not listed here: --set epochs=3. "
            "Can be given several times.",
        ),
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
        bool,
        typer.Option(
            "--resume", help="Go on with the last run, which Ctrl-C, a crash or a power cut ended."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Train nothing: say what would be done and why, how long it would take, and how "
            "much memory.",
        ),
    ] = False,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="Train once with each value and keep the best: --sweep rank=8,16. Given several "
            "times, every combination is tried.",
        ),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(min=1, help="Train in so many processes on this machine; one for each GPU."),
    ] = 1,
    method: Annotated[
        str | None,
        typer.Option(
            help="What is learned from: sft (examples alone), then dpo (pairs of a better and a "
            "worse answer) or kto (answers that were called good or bad), kept only if it helps; "
            "auto: by how many there are. [default: auto]"
        ),
    ] = None,
    promote: Annotated[
        bool | None,
        typer.Option(
            help="Whether the adapter's name means the new version from now on; if not, the old "
            "one, until `lora-chat adapters promote`. [default: promote]"
        ),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            help="How much the adapter can learn, and how large it is. 8 to 64 are usual; raise "
            "it for thousands of conversations. [default: 16]"
        ),
    ] = None,
    target_modules: Annotated[
        str | None,
        typer.Option(
            help="Which layers of the model are adapted, such as q_proj,v_proj. Fewer train "
            "faster and learn less. [default: all-linear]"
        ),
    ] = None,
    use_rslora: Annotated[
        bool | None,
        typer.Option(
            "--use-rslora",
            help="Let the adapter weigh alpha/sqrt(rank), not alpha/rank. Worth trying from "
            "rank 64 on.",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="How the base is held in memory while it is trained on: nf4 (4 bits, the least "
            "memory), int8, or none (as it is). [default: nf4]"
        ),
    ] = None,
    prompt_loss_weight: Annotated[
        float | None,
        typer.Option(
            help="How much the words of questions count in training, beside those of answers: "
            "from 0 (not at all) to 1. Seldom needed. [default: 0]"
        ),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="[OLD_DATA:]SHARE",
            help="Mix older data in, so that it is not forgotten: old.txt:0.1 adds one old "
            "conversation to ten new ones. With --from at least 40 old rows, of what the adapter "
            "was trained on; 0 adds none. [default: 0.1 with --from]",
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="The share of the conversations that is held out of training, to measure with. "
            "[default: 0.1, at least 10; of up to 20 new ones with --from, none]",
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            help="A file to hold out whole, to measure with. All of the data is trained on then; "
            "what asks in this file what the data asks is left out of the measuring.",
        ),
    ] = None,
    general_mix: Annotated[
        float | None,
        typer.Option(
            help="Mix everyday questions in, so that the model can still answer those: 0.05 adds "
            "one to twenty conversations. [default: 0]"
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            help="How closely the adapter is compared with its base at the end: none (losses "
            "alone), short (also two short answers) or full. [default: full]"
        ),
    ] = None,
    report_samples: Annotated[
        int | None,
        typer.Option(
            help="How many questions base and adapter answer side by side in the report. More "
            "take longer. [default: 4]"
        ),
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
    redact: Annotated[
        bool | None,
        typer.Option(
            "--redact",
            help="Replace names, phone numbers, addresses and other personal data before training.",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            help="A system prompt: what the model is told before each conversation, in training "
            "and later by the server."
        ),
    ] = None,
    disclaimer: Annotated[
        str | None,
        typer.Option(
            help="A notice that the adapter's card keeps and that comes with each of its answers, "
            "such as: No medical advice."
        ),
    ] = None,
    server: ServerOption = None,
    key: ServerKeyOption = None,
    home: HomeOption = None,
    _language: LangOption = None,
) -> None:
    """Train an adapter on questions and answers.

    At the end it is compared with its base, and a report says how good it is. With --server the
    file is sent there and trained on, by what its API knows: name, base or --from, method, promote,
    and epochs, batch_size, beta and seed by --set.
    """
    from data.wording import _
    from finetune.free_cores import give_way, let_session_give_way
    from finetune.hardware import before_torch
    from finetune.training.config import resolve_config

    old_data, replay_ratio = _replay(replay)
    options = {
        "data": data,
        "name": name,
        "base": base,
        "from_adapter": from_adapter,
        "method": method,
        "promote": promote,
        "rank": rank,
        "target_modules": _modules(target_modules),
        "use_rslora": use_rslora,
        "quantize": quantize,
        "prompt_loss_weight": prompt_loss_weight,
        "replay": old_data,
        "replay_ratio": replay_ratio,
        "holdout": holdout,
        "validation": validation,
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
    if server is not None:
        from .jobs.remote import finetune_there

        here = {"resume": resume, "dry-run": dry_run, "sweep": sweep, "processes": processes > 1}
        refused = [f"--{name}" for name, is_given in here.items() if is_given]
        finetune_there(server, key, *resolved, refused, Console(stderr=True))
        return
    before_torch()
    give_way()
    let_session_give_way()
    if replay is not None and resolved[0].replay is None and resolved[0].from_adapter is None:
        raise typer.BadParameter(_("say which file, or give --from"), param_hint="--replay")
    if _is_to_launch(processes, data):
        from finetune.training.launcher import launch

        raise typer.Exit(launch(processes, partial(run_command, sys.argv[1:])))
    from .training import train

    # Of several processes, one talks.
    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    train(*resolved, find_home(home), console, resume=resume, dry_run=dry_run, sweep=sweep or ())


def _is_to_launch(processes: int, data: Path | None) -> bool:
    """False in a process that has been started already: by this command, or by another launcher."""
    from data.wording import _

    started = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1 or started == processes:
        return False
    problem = None
    if started > 1:
        told = _("another launcher has started {count} of them; leave this option out")
        problem = told.format(count=started)
    elif data == Path("-"):
        problem = _("standard input can be read by one process alone; save it as a file")
    if problem:
        raise typer.BadParameter(problem, param_hint="--processes")
    return True


def _replay(text: str | None) -> tuple[str | None, Any]:
    """A path and a ratio; either may be missing, and what the ratio must be, the options say."""
    if text is None:
        return None, None
    path, _colon, ratio = text.rpartition(":")
    if ratio.replace(".", "", 1).isdecimal():
        return path or None, ratio
    return text, None


def _modules(text: str | None) -> str | list[str] | None:
    if text is None or text == "all-linear":
        return text
    return [part.strip() for part in text.split(",") if part.strip()]
