"""Adapters that others have trained, as versions of a name here."""

import shutil
from pathlib import Path

from finetune.adapters.gguf import check_fit, read_gguf_lora, read_peft, write_peft
from finetune.adapters.versions import (
    Version,
    check_name,
    find_version,
    new_version,
    newest_version,
)
from finetune.bases.base import Base
from finetune.bases.gguf_base import GgufBase, shape_of
from finetune.errors import AdapterInvalid

from .merged import PEFT_FILES


def import_adapter(source: Path, name: str, base: Base | GgufBase, adapters: Path) -> Version:
    """Take in a GGUF LoRA file or a PEFT folder; `name` means it from now on.

    A GGUF file becomes a PEFT folder, so that every engine can use it. Raises AdapterInvalid or
    BaseMismatch; then nothing has changed.
    """
    check_name(name, base.id)
    if not source.exists():
        raise AdapterInvalid(f"There is no {source}: give a .gguf file or a PEFT folder.")
    shape = shape_of(base)
    with new_version(adapters, name) as folder:
        if source.is_dir():
            check_fit(read_peft(source), shape)
            _copy(source, folder)
        else:
            write_peft(read_gguf_lora(source, shape), base.id, folder)
    return find_version(adapters, f"{name}@{newest_version(adapters, name)}")


def _copy(source: Path, folder: Path) -> None:
    for name in PEFT_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
