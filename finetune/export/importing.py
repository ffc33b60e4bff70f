"""Adapters that others have trained, as versions of a name here."""

import shutil
from pathlib import Path

from finetune.adapters.added_tokens import added_tokens
from finetune.adapters.card import BaseIdentity, Imported, read_card, write_import_card
from finetune.adapters.files import CARD_FILE, FILES, WEIGHTS_FILE
from finetune.adapters.fit import Fit
from finetune.adapters.gguf import read_gguf_lora, read_peft, write_peft
from finetune.adapters.header import read_shapes
from finetune.adapters.lora import read_lora, read_settings
from finetune.adapters.other_forms import checkpoints, no_weights, weight_files
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import check_has_versions, check_name, install, staging_folder
from finetune.bases.base import Base
from finetune.bases.gguf_base import GgufBase, shape_of
from finetune.bases.gguf_file import read_gguf
from finetune.errors import AdapterInvalid, GgufInvalid

from .foreign_weights import bring_weights

BASE_KEYS = ("general.base_model.0.repo_url", "general.base_model.0.name")  # of a GGUF file


def import_adapter(
    source: Path,
    name: str,
    base: Base | GgufBase,
    adapters: Path,
    *,
    accept_base: bool = False,
    spec: str | None = None,
) -> AdapterVersion:
    """Take in a GGUF LoRA file or a PEFT folder; `name` means it from now on.

    A GGUF file becomes a PEFT folder, so that every engine can use it; a folder gets PEFT's usual
    file and names. Its card remembers the base, which was found as `spec`; `accept_base` lets it
    be another than the adapter names. Raises AdapterInvalid or BaseMismatch; then nothing has
    changed.
    """
    check_name(name, base.id)
    check_has_versions(adapters, name)
    if not source.exists():
        raise AdapterInvalid(f"There is no {source}: give a .gguf file or a PEFT folder.")
    if source.is_file() and source.name.startswith("adapter_"):
        source = source.parent
    fit = Fit(base, accepts_names=accept_base)
    with staging_folder(adapters) as folder:
        if source.is_dir():
            imported = _take_folder(source, folder, base, fit)
        else:
            imported = _take_gguf(source, folder, base, fit)
        if not (folder / CARD_FILE).is_file():
            identity = BaseIdentity(id=base.id, fingerprint=base.fingerprint)
            write_import_card(folder, name, identity, imported, spec or base.id)
        return install(adapters, name, folder)


def _take_gguf(path: Path, folder: Path, base: Base | GgufBase, fit: Fit) -> Imported:
    lora = read_gguf_lora(path, shape_of(base))
    named = _base_of_gguf(path)
    fit.check_name(path, named)
    write_peft(lora, base.id, folder)
    return Imported(source=path.name, named_base=named)


def _base_of_gguf(path: Path) -> str | None:
    try:
        metadata = read_gguf(path).metadata
    except GgufInvalid as error:
        raise AdapterInvalid(str(error)) from error
    return next((str(metadata[key]) for key in BASE_KEYS if metadata.get(key)), None)


def _take_folder(source: Path, folder: Path, base: Base | GgufBase, fit: Fit) -> Imported:
    files, notes = _find_weights(source)
    found = files[0].parent
    named = read_settings(found).base_model_name_or_path
    if card := read_card(found):
        card.check_base(found, base.fingerprint, repr(base.id))
    else:
        fit.check_name(found, named)
    notes += bring_weights(files, folder)
    for name in FILES:
        if name != WEIGHTS_FILE and (found / name).is_file():
            shutil.copyfile(found / name, folder / name)
    fit.check_tensors(found, read_lora(folder), read_shapes(folder / WEIGHTS_FILE))
    read_peft(folder)  # whose numbers must be some
    return Imported(
        source=source.resolve().name,
        named_base=named,
        notes=tuple(notes),
        added_tokens=added_tokens(found, base.tokenizer.get_vocab()),
    )


def _find_weights(source: Path) -> tuple[list[Path], list[str]]:
    """The files that hold them, and what there is to say of the choice. Raises AdapterInvalid."""
    if files := weight_files(source):
        return files, []
    if found := checkpoints(source):
        listed = ", ".join(path.name for path in found)
        note = f"It holds checkpoints alone; the last one was taken of {listed}."
        return weight_files(found[-1]), [note]
    raise no_weights(source)
