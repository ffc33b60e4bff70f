"""What a person moves at a terminal: an adapter's name to another version, or a share of it."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import typer

from data.wording import _
from finetune.adapters.versions import end_share, find_version, share
from finetune.errors import ConfigError
from service.commands.opening import settings_of, state_of
from service.commands.removal import means
from service.errors import StateUnavailable
from service.home import find_home
from service.improving.moves import Moves
from service.jobs.desk import place_of


@contextmanager
def noted(home: Path | None, adapter: str) -> Generator[None]:
    """A block in which a person moves what a name means. The ledger has it then, if this home has
    one; what cannot be written there is moved all the same, and standard error says so."""
    place = place_of(find_home(home))
    if place is None:  # nobody has ever been asked, or improved, here
        yield
        return
    try:
        settings = settings_of(home)
        state = state_of(settings)
    except (ConfigError, StateUnavailable) as error:
        told = _("The ledger will not know of it: {error}")
        typer.echo(told.format(error=error), err=True)
        yield
        return
    with closing(state), Moves(state, place, settings.home).by_person(adapter):
        yield


def give_share(home: Path | None, reference: str, percent: int) -> str:
    """Give a version a share [percent] of the requests, or end that at 0. Returns what to say.

    Raises AdapterInvalid where there is no such version, or it is promoted.
    """
    adapters = find_home(home) / "adapters"
    name, at, _number = reference.partition("@")
    if percent and not at:
        told = _("say which version, such as {version}").format(version=f"{name}@2")
        raise typer.BadParameter(told, param_hint="NAME@VERSION")
    chosen = find_version(adapters, reference if percent else name)
    with noted(home, name):
        if not percent:
            end_share(adapters, name)
            return means(name, chosen.number)
        chosen.read()  # raises where no server would take it
        share(adapters, chosen, percent)
    told = _("{adapter} answers {percent} percent of the requests for {name!r} from now on.")
    return told.format(adapter=chosen, percent=percent, name=name)
