"""`lora-chat adapters`: what has been trained, looked at and moved."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from service.home import find_home
from service.options import DEFAULT_BASE, BaseOption, HomeOption

adapters_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the adapters, check, move, import, export and remove them.",
    epilog="Example: `lora-chat adapters list`",
)

Reference = Annotated[str, typer.Argument(help="A name, or name@version.")]
TrainedBaseOption = Annotated[
    str | None,
    typer.Option(
        "--base", help="Short name, folder, .gguf file or hub id. [default: what it names itself]"
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
            help="peft, gguf-lora: the adapter alone. merged, merged-gguf: a whole model. "
            "ollama: a GGUF adapter with a Modelfile."
        ),
    ],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="merged: measure on this file; of the one it was trained on, the held-out part."
        ),
    ] = None,
    base: TrainedBaseOption = None,
    home: HomeOption = None,
) -> None:
    """Write an adapter for other programs: PEFT, vLLM, transformers, llama.cpp, Ollama."""
    from .exporting import export_adapter

    export_adapter(name, to, out, data, base, find_home(home))


@adapters_app.command(
    "import", epilog="Example: `lora-chat adapters import style.gguf --name style`"
)
def import_adapter(
    source: Annotated[
        Path,
        typer.Argument(
            help="A GGUF LoRA file or a PEFT folder: .bin, parts and checkpoints are converted."
        ),
    ],
    name: Annotated[str, typer.Option(help="What it is to be called here.")],
    base: BaseOption = None,
    accept_base: Annotated[
        bool, typer.Option("--accept-base", help="Take it although it names another base.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Take in an adapter that was trained elsewhere, as a new version of a name."""
    from finetune.adapters.card import read_card
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
    card = read_card(version.folder)
    for note in card.imported.notes if card and card.imported else ():
        typer.echo(note)
    typer.echo(f"{version} is there. `lora-chat adapters verify {version}` checks it.")


@adapters_app.command(epilog="Example: `lora-chat adapters verify bike`")
def verify(name: Reference, base: TrainedBaseOption = None, home: HomeOption = None) -> None:
    """Check that an adapter is whole, unchanged, right for its base and servable; exit 1 if not."""
    from .inspect import print_verification

    if not print_verification(name, base, find_home(home), Console()):
        raise typer.Exit(1)


@adapters_app.command(epilog="Example: `lora-chat adapters promote bike@2`")
def promote(
    version: Annotated[str, typer.Argument(help="name@version.", metavar="NAME@VERSION")],
    home: HomeOption = None,
) -> None:
    """Let a name mean this version from now on."""
    from finetune.adapters.lora import read_lora
    from finetune.adapters.versions import find_version
    from finetune.adapters.versions import promote as promote_version

    if "@" not in version:
        hint = "NAME@VERSION"
        raise typer.BadParameter(f"say which version, such as {version}@1", param_hint=hint)
    adapters = find_home(home) / "adapters"
    chosen = find_version(adapters, version)
    read_lora(chosen.folder)  # raises where no server would take it
    promote_version(adapters, chosen.name, chosen.number)
    typer.echo(f"{chosen.name!r} means {chosen} from now on.")


@adapters_app.command(epilog="Example: `lora-chat adapters rollback bike`")
def rollback(
    name: Annotated[str, typer.Argument(help="Of the adapter.")], home: HomeOption = None
) -> None:
    """Let a name mean the version before the promoted one."""
    from finetune.adapters.versions import rollback as go_back

    if "@" in name:
        raise typer.BadParameter("give the name alone", param_hint="NAME")
    chosen = go_back(find_home(home) / "adapters", name)
    typer.echo(f"{name!r} means {name}@{chosen} from now on.")


@adapters_app.command(epilog="Example: `lora-chat adapters remove bike@1`")
def remove(
    name: Annotated[str, typer.Argument(help="A name: all its versions. name@version: one.")],
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not ask; where needed, promote the newest other one."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Remove an adapter or one version of it, for good."""
    from . import removal

    removal.remove(name, find_home(home) / "adapters", is_sure=yes)
