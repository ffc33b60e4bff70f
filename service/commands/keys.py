"""`lora-chat keys`: who may use a server, and how much they did."""

import time
from typing import Annotated

import typer
from rich.console import Console

from data.wording import _
from service.commands.group import Commands
from service.commands.opening import opened
from service.commands.streams import say
from service.options import ConfigOption, DatabaseOption, HomeOption, JsonOption

keys_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Make, list and revoke the keys of a server's users.\n\n"
    "Once there is a key, a server asks every client for one, and it counts within seconds, while "
    "the server runs.",
    epilog="Example: `lora-chat keys create anna --adapters tcm,bike`",
)


@keys_app.command(epilog="Example: `lora-chat keys create anna --requests-per-minute 60`")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is; lists show it by this name.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="What the key allows; can be given several times. chat: to ask the models. train: "
            "to bring files and make adapters of them. admin: both, and to change all adapters and "
            "see everybody's files and jobs. [default: chat]",
        ),
    ] = None,
    adapters: Annotated[
        str | None,
        typer.Option(
            help="The adapters that it may ask, such as tcm,bike, in all their versions; the base "
            "only if it is named as well. [default: all, and the base]"
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(min=1, help="How many requests it may send in a minute. [default: no limit]"),
    ] = None,
    tokens_per_minute: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many tokens it may use in a minute, in prompts and answers together. "
            "[default: no limit]",
        ),
    ] = None,
    max_jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many fine-tuning jobs it may have that have not ended. [default: no limit]",
        ),
    ] = None,
    training_tokens_per_day: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many tokens its jobs may train on in a day, all epochs counted. "
            "[default: no limit]",
        ),
    ] = None,
    max_file_bytes: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="How large its files may be together, such as 500MB or 2GiB. [default: no limit]",
        ),
    ] = None,
    store_answers: Annotated[
        str | None,
        typer.Option(
            metavar="off|asked|all",
            help="Which of its answers are stored: those whose requests say so, or all but for "
            "those that say no. [default: as the server has it]",
        ),
    ] = None,
    expires: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=36500, metavar="DAYS", help="When it ends to be valid. [default: never]"
        ),
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Make a key and print it.

    It is shown this once, since only its hash is kept.
    """
    from service.accounts.caller import Limits
    from service.accounts.keys import Keys, KeyWish

    from .views.keys import describe

    wish = KeyWish(
        name,
        scopes or ("chat",),
        None if adapters is None else [part.strip() for part in adapters.split(",")],
        Limits(
            requests_per_minute,
            tokens_per_minute,
            max_jobs,
            training_tokens_per_day,
            _num_bytes(max_file_bytes, "--max-file-bytes"),
        ),
        expires,
        store_answers,
    )
    with opened(home, database, config) as state:
        key, secret = Keys(state).create(wish)
    kept = _("Keep it now: it cannot be shown again.")
    say(f"{describe(key)} {kept}", err=True)
    typer.echo(secret)


@keys_app.command("list", epilog="Example: `lora-chat keys list`")
def list_keys(
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """List the keys, by their names and last characters."""
    from service.accounts.keys import Keys

    from .views.keys import print_keys

    with opened(home, database, config) as state:
        print_keys(Keys(state).all(), Console(), wants_json=wants_json)


@keys_app.command(epilog="Example: `lora-chat keys revoke anna`")
def revoke(
    reference: Annotated[
        str, typer.Argument(help="The key, as `keys list` shows it.", metavar="NAME|ID")
    ],
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Make a key invalid. Running servers know it within seconds."""
    from service.accounts.keys import Keys

    with opened(home, database, config) as state:
        keys = Keys(state)
        key = keys.revoke(reference)
        is_open = any(each.is_valid(time.time()) for each in keys.all())
    typer.echo(_("The key {name!r} ({id}) is revoked.").format(name=key.name, id=key.id))
    if not is_open:
        told = _(
            "No key is valid any more: the server answers nobody. `lora-chat keys create NAME` "
            "makes another; `lora-chat keys clear` lets everybody on this machine in without one."
        )
        typer.echo(told)


@keys_app.command(epilog="Example: `lora-chat keys clear`")
def clear(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Forget all keys and their usage.

    A server then asks nobody for a key.
    """
    from service.accounts.keys import Keys

    with opened(home, database, config) as state:
        if not yes:
            question = _(
                "Forget every key and all usage? Servers of this state then answer anybody."
            )
            typer.confirm(question, abort=True, err=True)
        typer.echo(_("Forgotten: {count} keys.").format(count=Keys(state).clear()))


@keys_app.command(epilog="Example: `lora-chat keys usage --days 7`")
def usage(
    days: Annotated[
        int | None,
        typer.Option(min=1, help="How many days to look back, with today. [default: all]"),
    ] = None,
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Show what each key asked of each model, by day (in UTC)."""
    import time

    from service.accounts.keys import Keys
    from service.accounts.usage import read_usage

    from .views.keys import print_usage

    with opened(home, database, config) as state:
        names = {key.id: key.name for key in Keys(state).all()}
        rows = read_usage(state, days, time.time())
    print_usage(rows, names, Console(), wants_json=wants_json)


def _num_bytes(size: str | None, option: str) -> int | None:
    """Raises BadParameter."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    if size is None:
        return None
    try:
        return TypeAdapter(ByteSize).validate_python(size)
    except ValidationError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
