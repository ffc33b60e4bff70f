"""`lora-chat adapters export` and `import`: what they say when they are done."""

from pathlib import Path
from typing import Literal

import typer

from data.wording import _
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
        raise typer.BadParameter(_("--data is for --to merged"), param_hint="--to")
    if to == "peft":
        if base:
            raise typer.BadParameter(_("--base is not for --to peft"), param_hint="--to")
        export_peft(version, out)
        typer.echo(_("{path}: {adapter} as a PEFT folder").format(path=out, adapter=version))
        return
    if to == "merged":
        found = find_trained_base(version, base, home)
        drift = Merge.prepare(version, found, data, home).export(out)
        typer.echo(drift.words)
        typer.echo(_("Measured on {rows}.").format(rows=drift.measured_on))
        told = _("{path}: {base} with {adapter} merged in, as a Hugging Face folder")
        typer.echo(told.format(path=out, base=found.id, adapter=version))
        return
    export = GgufExport.prepare(version, base, home)
    told = _export_gguf(export, to, out)
    typer.echo(told.format(path=out, base=export.base.id, adapter=version, name=version.name))


def _export_gguf(export: GgufExport, to: Target, out: Path) -> str:
    """Returns what to say of it."""
    if to == "gguf-lora":
        export.adapter(out)
        return _("{path}: {adapter} as a GGUF adapter, for `llama-server --lora`")
    if to == "merged-gguf":
        export.merged(out)
        return _("{path}: {base} with {adapter} merged in, as a GGUF file")
    export.ollama(out)
    return _("{path}: {adapter} for Ollama: `ollama create {name} -f Modelfile` in there")
