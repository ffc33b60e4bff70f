"""`lora-chat adapters`: what has been trained, looked at and moved."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from data.wording import _
from finetune.defaults import DEFAULT_BASE
from service.commands.group import Commands
from service.home import find_home
from service.options import BaseOption, HomeOption, as_percent

adapters_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="List, check, move, import, export and remove adapters.",
    epilog="Example: `lora-chat adapters list`",
)

Reference = Annotated[
    str, typer.Argument(help="The adapter: NAME for the promoted version, or NAME@VERSION.")
]
TrainedBaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="The base model that it was trained on: a short name, a folder, a .gguf file, or an "
        "id of the Hugging Face hub. [default: what the adapter says]",
    ),
]


@adapters_app.command("list", epilog="Example: `lora-chat adapters list`")
def list_adapters(home: HomeOption = None) -> None:
    """List the adapters with their versions."""
    from .inspect import print_adapters

    print_adapters(find_home(home), Console())


@adapters_app.command("show", epilog="Example: `lora-chat adapters show bike`")
def show_adapter(name: Reference, home: HomeOption = None) -> None:
    """Show what one adapter was made from and how good it is."""
    from .inspect import print_adapter

    print_adapter(name, find_home(home), Console())


@adapters_app.command(
    epilog="Example: `lora-chat adapters export bike --to merged --out bike-merged`"
)
def export(
    name: Reference,
    to: Annotated[
        Literal["peft", "merged", "gguf-lora", "merged-gguf", "ollama"],
        typer.Option(
            help="What for. peft: the adapter alone, for PEFT and vLLM. gguf-lora: the adapter "
            "alone, for llama.cpp. merged, merged-gguf: a whole model with the adapter in it. "
            "ollama: a GGUF adapter with a Modelfile."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; nothing may be in it yet.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="With --to merged: the file on which to measure what merging does to the "
            "answers. [default: what was held out of the file that it was trained on]"
        ),
    ] = None,
    base: TrainedBaseOption = None,
    home: HomeOption = None,
) -> None:
    """Write an adapter for PEFT, vLLM, llama.cpp, Ollama and others."""
    from .exporting import export_adapter

    export_adapter(name, to, out, data, base, find_home(home))


@adapters_app.command(
    "import", epilog="Example: `lora-chat adapters import style.gguf --name style`"
)
def import_adapter(
    source: Annotated[
        Path,
        typer.Argument(
            help="The adapter's folder as PEFT and others write it (older forms and checkpoints "
            "are converted), or a GGUF LoRA file."
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call it here.")],
    base: BaseOption = None,
    accept_base: Annotated[
        bool,
        typer.Option(
            "--accept-base",
            help="Take it although it says that it was trained on another base. Only where you "
            "know that it fits.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Take in an adapter that was trained elsewhere.

    It becomes a new version of the name that you give it.
    """
    from finetune.bases.gguf_base import find_any_base
    from finetune.export.importing import import_adapter as take_in

    place, spec = find_home(home), base or DEFAULT_BASE
    path = Path(spec).expanduser()
    version = take_in(
        source.expanduser(),
        name,
        find_any_base(spec, place),
        place / "adapters",
        accept_base=accept_base,
        spec=str(path.absolute()) if path.exists() else spec,
    )
    card = version.card
    for note in card.imported.notes if card and card.imported else ():
        typer.echo(note)
    told = _("{adapter} is there. `lora-chat adapters verify {adapter}` checks it.")
    typer.echo(told.format(adapter=version))


@adapters_app.command(epilog="Example: `lora-chat adapters verify bike`")
def verify(name: Reference, base: TrainedBaseOption = None, home: HomeOption = None) -> None:
    """Check that an adapter is whole and can be served.

    Its files are to be unchanged and to fit its base; if they are not, the exit code is 1.
    """
    from .inspect import print_verification

    if not print_verification(name, base, find_home(home), Console()):
        raise typer.Exit(1)


@adapters_app.command(epilog="Example: `lora-chat adapters promote bike@2`")
def promote(
    version: Annotated[
        str, typer.Argument(help="The version that its name is to mean.", metavar="NAME@VERSION")
    ],
    home: HomeOption = None,
) -> None:
    """Let an adapter's name mean this version from now on."""
    from finetune.adapters.versions import find_version
    from finetune.adapters.versions import promote as promote_version

    from .improving.moving import noted
    from .removal import means

    if "@" not in version:
        told = _("say which version, such as {version}").format(version=f"{version}@1")
        raise typer.BadParameter(told, param_hint="NAME@VERSION")
    adapters = find_home(home) / "adapters"
    chosen = find_version(adapters, version)
    chosen.read()  # raises where no server would take it
    with noted(home, chosen.name):
        promote_version(adapters, chosen.name, chosen.number)
    typer.echo(means(chosen.name, chosen.number))


@adapters_app.command(epilog="Example: `lora-chat adapters rollback bike`")
def rollback(
    name: Annotated[str, typer.Argument(help="The adapter's name, without a version.")],
    home: HomeOption = None,
) -> None:
    """Let an adapter's name mean the version before."""
    from finetune.adapters.versions import rollback as go_back

    from .improving.moving import noted
    from .removal import means

    if "@" in name:
        raise typer.BadParameter(_("give the name alone"), param_hint="NAME")
    with noted(home, name):
        number = go_back(find_home(home) / "adapters", name)
    typer.echo(means(name, number))


@adapters_app.command(epilog="Example: `lora-chat adapters share bike@2 10%`")
def share(
    version: Annotated[
        str,
        typer.Argument(
            help="The version that is to have the share; at 0%, the name alone.",
            metavar="NAME@VERSION",
        ),
    ],
    percent: Annotated[
        int, typer.Argument(parser=as_percent, help="Such as 10%.", metavar="PERCENT")
    ],
    home: HomeOption = None,
) -> None:
    """Let another version answer a share of an adapter's requests.

    The promoted version answers the others; a conversation stays with the version that began it.
    With ten ratings of each, the new one gets all requests, or none where it is rated worse.
    """
    from .improving.moving import give_share

    typer.echo(give_share(home, version, percent))


@adapters_app.command(epilog="Example: `lora-chat adapters remove bike@1`")
def remove(
    name: Annotated[str, typer.Argument(help="NAME removes all its versions, NAME@VERSION one.")],
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Do not ask. Where the promoted version goes, the one before it is promoted.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Remove an adapter or one version of it, for good."""
    from . import removal

    removal.remove(name, find_home(home) / "adapters", is_sure=yes)
