"""`lora-chat chat`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.home import find_home
from service.options import DEFAULT_BASE, KEY_VARIABLE, BaseOption, HomeOption

if TYPE_CHECKING:
    from service.running import RunningServer


def chat(
    model: Annotated[
        str | None,
        typer.Argument(
            help="An adapter, a version or a blend. [default: the only adapter, or else the base]"
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="A running server. [default: the one that runs on this home, or else one that is "
            "started for this chat]"
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar=KEY_VARIABLE, help="A key of that server, where it asks for one."),
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Talk to a model in the terminal; /model NAME switches, /help lists the commands."""
    from service.client.terminal import chat as talk

    folder = find_home(home)
    url = url or _url_of_running(folder, base, model, api_key)
    if url is not None:
        talk(url, model, api_key=api_key)
        return
    from service.server import serving_in_background
    from service.settings import ServiceSettings

    settings = ServiceSettings(base=base or DEFAULT_BASE, home=folder)
    with serving_in_background(settings) as started:
        talk(started, model)


def _url_of_running(
    home: Path, base: str | None, model: str | None, api_key: str | None
) -> str | None:
    """None where no server runs on this home, or none with the base that is asked for."""
    from service.running import find_running, named_base

    found = find_running(home)
    if base is not None:
        found = [server for server in found if server.base == named_base(base)]
    if not found:
        return None
    chosen = _choose(found, model, api_key)
    typer.echo(f"Found the server at {chosen.url}; --url names another.", err=True)
    return chosen.url


def _choose(
    found: Sequence["RunningServer"], model: str | None, api_key: str | None
) -> "RunningServer":
    """Of several, the youngest that has the model; an adapter is of one base alone."""
    from service.client.server import has_model

    if model is None or len(found) == 1:
        return found[0]
    return next((each for each in found if has_model(each.url, model, api_key)), found[0])
