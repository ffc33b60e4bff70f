"""`lora-chat adapters import`."""

from pathlib import Path

import typer

from finetune.adapters.card import read_card
from finetune.bases.gguf_base import find_any_base
from finetune.export.importing import import_adapter


def import_from(source: Path, name: str, spec: str, home: Path, accept_base: bool) -> None:
    """Take an adapter in for the base that `spec` means, and say what was made of it."""
    base, path = find_any_base(spec, home), Path(spec).expanduser()
    version = import_adapter(
        source,
        name,
        base,
        home / "adapters",
        accept_base=accept_base,
        spec=str(path.absolute()) if path.exists() else spec,
    )
    card = read_card(version.folder)
    for note in card.imported.notes if card and card.imported else ():
        typer.echo(note)
    typer.echo(
        f"{version} is there, for the base {base.id}. `lora-chat adapters verify {version}` checks "
        "it."
    )
