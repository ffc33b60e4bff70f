"""`lora-chat improve` and `lora-chat ledger`."""

from typing import Annotated

import typer
from rich.console import Console

from data.wording import _
from service.commands.opening import settings_of, state_of
from service.commands.streams import say
from service.options import (
    ConfigOption,
    DatabaseOption,
    HomeOption,
    JsonOption,
    LangOption,
    as_percent,
)


def improve(
    adapter: Annotated[str, typer.Argument(help="The adapter's name, as it is served.")],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Train nothing: say what would be trained and measured."),
    ] = False,
    share: Annotated[
        int | None,
        typer.Option(
            parser=as_percent,
            metavar="PERCENT",
            help="What is better answers such a share of the requests first, as 10%; ratings "
            "decide whether it gets all. [default: all at once]",
        ),
    ] = None,
    override: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="Promote the last candidate although the gate did not; the ledger keeps why.",
        ),
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
    _language: LangOption = None,
) -> None:
    """Train what feedback was accepted; promote it if it is better.

    The next training set is the last one and what was accepted; part of that is held out for good.
    The candidate is compared with the served version on the same items, and promoted, refused, or
    kept back until more is known. The ledger says why.
    """
    from finetune.free_cores import give_way, let_session_give_way
    from finetune.hardware import before_torch

    for option, is_given in (("--dry-run", dry_run), ("--share", share is not None)):
        if is_given and override is not None:
            raise typer.BadParameter(_("it does not go with --override"), param_hint=option)
    if share == 0:
        raise typer.BadParameter(_("a share is 1 to 99 percent"), param_hint="--share")
    before_torch()
    give_way()
    let_session_give_way()
    from .round_at_terminal import go_on

    go_on(settings_of(home, database, config), adapter, override, share, dry_run=dry_run)


def ledger(
    adapter: Annotated[
        str | None, typer.Argument(help="Only of this adapter. [default: of all]")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 20,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no entry was changed or taken out.")
    ] = False,
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Show what was decided of adapters, and why."""
    from contextlib import closing

    from service.improving.ledger import Ledger
    from service.jobs.desk import Desk

    from .view import print_entries

    settings = settings_of(home, database, config)
    with closing(state_of(settings)) as state:
        kept = Ledger(state, Desk(settings.home).place)
        if verify:
            changed = kept.first_changed()
            if changed is not None:
                told = _("Entry {number} is not what was written, or the one before it is gone.")
                say(told.format(number=changed), err=True)
                raise typer.Exit(1)
            say(_("All entries are as they were written."))
            return
        entries = kept.entries(adapter, limit)
    print_entries(entries, Console(highlight=False), wants_json=wants_json)
