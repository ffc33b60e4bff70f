"""Which of the servers that run on a home a command talks to."""

from pathlib import Path

import typer

from data.wording import _
from service.running import find_running, named_base

from .server import has_model


def url_of_running(
    home: Path, base: str | None, model: str | None, api_key: str | None
) -> str | None:
    """None where no server runs on this home, or none with the base that is asked for.

    Of several, the youngest that has the model: an adapter is of one base alone.
    """
    found = find_running(home)
    if base is not None:
        found = [server for server in found if server.base == named_base(base)]
    if not found:
        return None
    able = (server for server in found if model is None or has_model(server.url, model, api_key))
    chosen = found[0] if len(found) == 1 else next(able, found[0])
    told = _("Found the server at {url}; --url names another.").format(url=chosen.url)
    typer.echo(told, err=True)
    return chosen.url
