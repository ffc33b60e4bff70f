"""`lora-chat feedback`: what people say of answers, seen, exported and forgotten."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from data.wording import _
from service.commands.group import Commands
from service.commands.opening import opened, opened_home, settings_of, state_of
from service.feedback.export import Form
from service.feedback.item import State
from service.options import ConfigOption, DatabaseOption, HomeOption, JsonOption, ModelOption
from service.telemetry.logs import printable

from .reviewing import review_app
from .topics import topics_app

feedback_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="See, review, export and forget what people say of answers.\n\n"
    "Clients give it over the API; which answers are stored so that something can be said of them, "
    "`store_answers` in the server's YAML file decides.",
    epilog="Example: `lora-chat feedback list`",
)

feedback_app.add_typer(topics_app)
feedback_app.add_typer(review_app)


@feedback_app.command("list", epilog="Example: `lora-chat feedback list --model tcm`")
def list_feedback(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 20,
    model: ModelOption = None,
    state: Annotated[State | None, typer.Option(help="Only what is in this state.")] = None,
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """List what was said: of which answer, and whether it was good."""
    from service.accounts.caller import ANYBODY
    from service.feedback.feedback import Feedback

    from .view import print_items

    with opened(home, database, config) as opened_state:
        items = Feedback(opened_state).page(ANYBODY, limit=limit, model=model, state=state)
    print_items(items, Console(), wants_json=wants_json)


@feedback_app.command(epilog="Example: `lora-chat feedback show fb-0123456789ab`")
def show(
    item_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, as `feedback list` shows it.")
    ],
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Show one of them whole.

    That is the question, the answer, and the correction beside it, with what is different marked.
    """
    from service.accounts.caller import ANYBODY
    from service.feedback.feedback import Feedback
    from service.feedback.findings import Findings

    from .view import print_item

    with opened_home(home, database, config) as kept:
        item = Feedback(kept[0]).find(item_id, ANYBODY)
        (found,) = Findings(*kept).of([item], ANYBODY)
    print_item(found, Console(), wants_json=wants_json)


@feedback_app.command(epilog="Example: `lora-chat feedback export corrections.jsonl`")
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The JSONL file to write.")],
    form: Annotated[
        Form,
        typer.Option(
            help="sft: questions with their corrections, and with answers that were called good. "
            "preference: each correction before the answer that was given.",
        ),
    ] = "sft",
    model: ModelOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Write corrections and good answers as rows to train on."""
    import json

    from data.whole_file import whole_path
    from service.accounts.caller import ANYBODY
    from service.feedback.export import export_rows
    from service.feedback.feedback import Feedback

    with opened(home, database, config) as state:
        items = Feedback(state).page(ANYBODY, order="asc", model=model)
    rows = [json.dumps(row, ensure_ascii=False) for row in export_rows(items, form)]
    with whole_path(path) as temporary:
        temporary.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    told = _("{path}: {rows} rows of {items} that were given; the others have nothing to train on.")
    typer.echo(told.format(path=path, rows=len(rows), items=len(items)))


@feedback_app.command("import", epilog="Example: `lora-chat feedback import ratings.json tcm`")
def import_feedback(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON, JSONL or CSV file.")],
    adapter: Annotated[str, typer.Argument(help="Whose answers it is of: NAME, or NAME@VERSION.")],
    any_model: Annotated[
        bool, typer.Option("--any-model", help="Take what is said of other models' answers, too.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Bring in what was said elsewhere; it waits for a review.

    Taken are Open WebUI's export of feedback, JSON lines with OpenAI's preferences, and tables with
    the columns question, answer and correction. What is here already is passed over.
    """
    from finetune.adapters.versions import find_version
    from service.feedback.feedback import Feedback
    from service.feedback.importing import LeftOut, is_said_of, read_feedback
    from service.jobs.desk import Desk

    settings = settings_of(home, database, config)
    version = find_version(settings.home / "adapters", adapter)
    left_out: list[LeftOut] = []
    num_new = num_known = 0
    with closing(state_of(settings)) as state:
        feedback, place = Feedback(state), Desk(settings.home).place
        for each in read_feedback(path):
            if isinstance(each, LeftOut):
                left_out.append(each)
            elif not any_model and not is_said_of(version.name, each.model):
                told = _("is said of {model}, not of {name}")
                left_out.append(
                    LeftOut(each.where, told.format(model=each.model, name=version.name))
                )
            elif feedback.bring(each, place, f"{version}:1"):
                num_new += 1
            else:
                num_known += 1
    told = _("{path}: {new} new, {known} known already, {left_out} left out.")
    typer.echo(told.format(path=path, new=num_new, known=num_known, left_out=len(left_out)))
    for each in left_out:
        typer.echo(f"  {each.where}: {printable(each.why)}", err=True)


@feedback_app.command(epilog="Example: `lora-chat feedback forget --user patient-17`")
def forget(
    key: Annotated[
        str | None,
        typer.Option(metavar="NAME|ID", help="Of the key that asked, as `keys list` shows it."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Of whom clients named as `user`, whatever key asked.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Forget stored answers and all that was said of them. It cannot be brought back."""
    from service.accounts.keys import ID_PREFIX, Keys
    from service.improving.forgetting import Forgetting

    if (key is None) == (user is None):
        raise typer.BadParameter(_("give one of both"), param_hint="--key, --user")
    settings = settings_of(home, database, config)
    with closing(state_of(settings)) as state:
        # An id may be of a key that is not there any more, and whose answers are.
        key_id = key if key is None or key.startswith(ID_PREFIX) else Keys(state).find(key).id
        if not yes:
            question = _("Forget all stored answers of {whom!r}, and what is said of them?")
            typer.confirm(question.format(whom=key or user), abort=True, err=True)
        forgetting = Forgetting(state, settings.home)
        gone = forgetting.of_user(user or "") if key_id is None else forgetting.of_key(key_id)
    told = _("Forgotten: {answers} answers, {feedback} times feedback.")
    typer.echo(told.format(answers=gone.answers, feedback=gone.feedback))
    for version in gone.versions:
        told = _(
            "{version} was trained on some of it and still knows it; the next `lora-chat improve "
            "{name}` trains without it."
        )
        typer.echo(told.format(version=version, name=version.partition("@")[0]))
