"""`lora-chat adapters`: what has been trained, looked at and moved."""

from typing import Annotated

import typer
from rich.console import Console

from .home import find_home
from .options import HomeOption

adapters_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the adapters.",
    epilog="Example: `lora-chat adapters list`",
)


@adapters_app.command("list", epilog="Example: `lora-chat adapters list`")
def list_adapters(home: HomeOption = None) -> None:
    """List the adapters with their versions."""
    from .inspect import print_adapters

    print_adapters(find_home(home), Console())


@adapters_app.command("show", epilog="Example: `lora-chat adapters show bike`")
def show_adapter(
    name: Annotated[str, typer.Argument(help="A name, or name@version.")], home: HomeOption = None
) -> None:
    """Show what one adapter was made from and how good it is."""
    from .inspect import print_adapter

    print_adapter(name, find_home(home), Console())
