"""`lora-chat adapters export` and `import`: what they say when they are done."""

from pathlib import Path
from typing import Literal

import typer

from finetune.adapters.trained_base import find_trained_base
from finetune.adapters.versions import find_version
from finetune.export.gguf import GgufExport
from finetune.export.merged import Merge, export_peft

Target = Literal["peft", "merged", "gguf-lora", "merged-gguf", "ollama"]


def export_adapter(
    reference: str, to: Target, out: Path, data: Path | None, base: str | None, home: Path
) -> None:
    """Raises FinetuneError or DataError; then there is nothing at `out`."""
    version = find_version(home / "adapters", reference)
    if data and to != "merged":
        raise typer.BadParameter("--data is for --to merged", param_hint="--to")
    if to == "peft":
        if base:
            raise typer.BadParameter("--base is not for --to peft", param_hint="--to")
        export_peft(version, out)
        typer.echo(f"{out}: {version} as a PEFT folder")
        return
    if to == "merged":
        found = find_trained_base(version, base, home)
        drift = Merge.prepare(version, found, data, home).export(out)
        typer.echo(drift.words)
        typer.echo(f"Measured on {drift.measured_on}.")
        typer.echo(f"{out}: {found.id} with {version} merged in, as a Hugging Face folder")
        return
    typer.echo(f"{out}: {_export_gguf(GgufExport.prepare(version, base, home), to, out)}")


def _export_gguf(export: GgufExport, to: Target, out: Path) -> str:
    version = export.version
    if to == "gguf-lora":
        export.adapter(out)
        return f"{version} as a GGUF adapter, for `llama-server --lora`"
    if to == "merged-gguf":
        export.merged(out)
        return f"{export.base.id} with {version} merged in, as a GGUF file"
    export.ollama(out)
    return f"{version} for Ollama: `ollama create {version.name} -f Modelfile` in there"
