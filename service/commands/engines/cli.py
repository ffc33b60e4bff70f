"""`lora-chat engines`: the servers that compute for a running one."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.wording import _
from service.commands.group import Commands
from service.commands.streams import say
from service.home import find_home
from service.options import KEY_VARIABLE, HomeOption, JsonOption

if TYPE_CHECKING:
    from service.client.engines import ComputingServer, EnginesServer

engines_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="List and drain the vLLM servers behind a running server.",
    epilog="Example: `lora-chat engines list`",
)

Computing = Annotated[
    str, typer.Argument(metavar="ENGINE", help="A vLLM server's URL, as `engines list` shows it.")
]
UrlOption = Annotated[
    str | None,
    typer.Option(help="The running server. [default: the one that runs on this home]"),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar=KEY_VARIABLE,
        help="A key of that server with the scope admin, where it asks for one.",
    ),
]


@engines_app.command("list", epilog="Example: `lora-chat engines list`")
def list_engines(
    url: UrlOption = None,
    api_key: KeyOption = None,
    wants_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the vLLM servers: how each is and what it has."""
    with _connected(url, api_key, home) as server:
        engine, found = server.engines()
    if wants_json:
        told = {"engine": engine, "engines": [each.model_dump() for each in found]}
        typer.echo(json.dumps(told, ensure_ascii=False))
    elif found:
        _print(found)
    else:
        told = _("The {engine} engine computes in the server itself.")
        say(told.format(engine=engine))


@engines_app.command(epilog="Example: `lora-chat engines drain http://127.0.0.1:8001`")
def drain(
    engine: Computing, url: UrlOption = None, api_key: KeyOption = None, home: HomeOption = None
) -> None:
    """Ask nothing more of a vLLM server.

    So it can be stopped or updated: what runs there goes on to its end. It lasts until `engines
    undrain`, or until the server that asks it starts anew.
    """
    with _connected(url, api_key, home) as server:
        moved = server.drain(engine, is_draining=True)
    told = _("{url} gets no more requests; {count} run there still.")
    say(told.format(url=moved.url, count=moved.running))


@engines_app.command(epilog="Example: `lora-chat engines undrain http://127.0.0.1:8001`")
def undrain(
    engine: Computing, url: UrlOption = None, api_key: KeyOption = None, home: HomeOption = None
) -> None:
    """Ask a drained vLLM server again."""
    with _connected(url, api_key, home) as server:
        moved = server.drain(engine, is_draining=False)
    say(_("{url} gets requests again.").format(url=moved.url))


@contextmanager
def _connected(
    url: str | None, api_key: str | None, home: Path | None
) -> "Generator[EnginesServer]":
    from service.client.engines import EnginesServer
    from service.client.finding import url_of_running
    from service.client.server import connected
    from service.errors import ServerRefused

    found = url or url_of_running(find_home(home), None, None, api_key)
    if found is None:
        told = _("No server runs on this home: start one with `lora-chat serve`, or name its --url")
        raise ServerRefused(f"{told}.")
    with connected(found, api_key, EnginesServer) as server:
        yield server


def _print(found: "list[ComputingServer]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(_("server"), overflow="fold")
    table.add_column(_("state"), no_wrap=True)
    for head in (_("running"), _("requests"), _("failed"), _("restarts"), _("adapters")):
        table.add_column(head, no_wrap=True, justify="right")
    for each in found:
        counts = (each.running, each.requests, each.failures, each.restarts, len(each.adapters))
        table.add_row(each.url, _shown(each.state), *map(str, counts))
    Console().print(table)
    for each in found:
        if each.reason is not None:
            say(f"{each.url}: {each.reason}")


def _shown(state: str) -> str:
    shown = {
        "ready": _("ready"),
        "away": _("away"),
        "draining": _("draining"),
        "resting": _("resting"),
    }
    return shown.get(state, state)
