"""An adapter's weights as others write them: pickled, in parts, under other names."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from finetune.adapters.header import read_shapes
from finetune.adapters.other_forms import WEIGHTS_FILE, other_form, weight_files
from finetune.adapters.tensor_names import usual_names
from finetune.errors import AdapterInvalid

from . import unpickle

SECONDS = 300  # that reading a pickled file may take
MAX_SAID = 300  # [characters] of what the other process says


def bring_weights(source: Path, folder: Path) -> list[str]:
    """Write a folder's weights as PEFT does today into `folder`; return what was changed, in words.

    Raises AdapterInvalid.
    """
    files = weight_files(source)
    if not files:
        known = other_form(source) or "it is not a PEFT adapter folder"
        raise AdapterInvalid(f"{source} holds no {WEIGHTS_FILE}: {known}")
    if files == [source / WEIGHTS_FILE] and not _renamed(usual_names(read_shapes(files[0]))):
        shutil.copyfile(files[0], folder / WEIGHTS_FILE)
        return []
    tensors = _read_all(files)
    _check_index(source, files[0].suffix, tensors)
    names = usual_names(tensors)
    _save({names[name]: tensor for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
    notes = [] if files == [source / WEIGHTS_FILE] else [_how_read(files)]
    return notes + _how_renamed(_renamed(names))


def _read_all(files: list[Path]) -> dict[str, Any]:
    tensors: dict[str, Any] = {}
    for path in files:
        found = _read_pickled(path) if path.suffix == ".bin" else _read(path)
        if twice := tensors.keys() & found.keys():
            raise AdapterInvalid(f"{path} holds {min(twice)} once more than another part does.")
        tensors |= found
    return tensors


def _read(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    read_shapes(path)  # its messages say more
    try:
        return load_file(path)
    except SafetensorError as error:
        raise AdapterInvalid(f"{path} cannot be read: {error}") from error


def _read_pickled(path: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lora-chat-") as folder:
        target = Path(folder) / WEIGHTS_FILE
        command = [sys.executable, "-P", unpickle.__file__, str(path.absolute()), str(target)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AdapterInvalid(f"{path} could not be read in {SECONDS} seconds.") from error
        if done.returncode != 0:
            said = done.stderr.strip().rpartition("\n")[2][:MAX_SAID]
            raise AdapterInvalid(
                f"{path} is damaged or holds more than tensors, and is not taken: {said} Have it "
                f"saved as {WEIGHTS_FILE}."
            )
        return _read(target)


def _check_index(source: Path, suffix: str, tensors: dict[str, Any]) -> None:
    """Raises AdapterInvalid where the index of an adapter in parts names more than there is."""
    path = source / f"adapter_model{suffix}.index.json"
    if not path.is_file():
        return
    try:
        listed = set(json.loads(path.read_bytes())["weight_map"])
    except (ValueError, LookupError, TypeError) as error:
        raise AdapterInvalid(f"{path} is damaged. Copy the whole folder again.") from error
    if missing := sorted(listed - tensors.keys()):
        raise AdapterInvalid(
            f"The parts in {source} lack {len(missing)} tensors of their index, {missing[0]} among "
            "them. Copy the whole folder again."
        )


def _save(tensors: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors lets its owner alone read it


def _renamed(names: dict[str, str]) -> dict[str, str]:
    return {name: usual for name, usual in names.items() if name != usual}


def _how_read(files: list[Path]) -> str:
    parts = f"{len(files)} parts" if len(files) > 1 else files[0].name
    return f"Its weights were read from {parts} and written to {WEIGHTS_FILE}."


def _how_renamed(renamed: dict[str, str]) -> list[str]:
    if not renamed:
        return []
    name, usual = next(iter(renamed.items()))
    return [f"{len(renamed)} tensors got their usual names: {name} is {usual} now."]
