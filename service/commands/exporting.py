"""`lora-chat adapters export`: what it says when it is done."""

from pathlib import Path
from typing import Literal

import typer

from finetune.adapter import find_version
from finetune.export import Merge, export_peft
from finetune.trained_base import find_trained_base


def export_adapter(
    reference: str,
    to: Literal["peft", "merged"],
    out: Path,
    data: Path | None,
    base: str | None,
    home: Path,
) -> None:
    """Raises FinetuneError or DataError; then there is nothing at `out`."""
    version = find_version(home / "adapters", reference)
    if to == "peft":
        if data or base:
            raise typer.BadParameter("--data and --base are for --to merged", param_hint="--to")
        export_peft(version, out)
        typer.echo(f"{out}: {version} as a PEFT folder")
        return
    found = find_trained_base(version.folder, base, home)
    drift = Merge.prepare(version, found, data, home).export(out)
    typer.echo(drift.words)
    typer.echo(f"Measured on {drift.measured_on}.")
    typer.echo(f"{out}: {found.id} with {version} merged in, as a Hugging Face folder")
