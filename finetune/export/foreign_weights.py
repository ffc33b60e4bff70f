"""An adapter's weights as others write them: pickled, in parts, under other names."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.header import read_shapes
from finetune.adapters.tensor_names import usual_names
from finetune.adapters.weights import Tensors, read_tensors
from finetune.errors import AdapterInvalid

from . import unpickle

SECONDS = 300  # that reading a pickled file may take
MAX_SAID = 300  # [characters] of what the other process says


def bring_weights(files: list[Path], folder: Path) -> list[str]:
    """Write an adapter's weights into `folder` as PEFT does today; return what was changed.

    Raises AdapterInvalid.
    """
    is_usual = [path.name for path in files] == [WEIGHTS_FILE]
    if is_usual and not _renamed(usual_names(read_shapes(files[0]))):
        shutil.copyfile(files[0], folder / WEIGHTS_FILE)
        return []
    tensors = _read_all(files)
    if len(files) > 1:
        _check_index(files[0].parent, files[0].suffix, tensors)
    names = usual_names(tensors)
    _save({names[name]: tensor for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
    notes = [] if is_usual else [_how_read(files)]
    return notes + _how_renamed(_renamed(names))


def _read_all(files: list[Path]) -> Tensors:
    with tempfile.TemporaryDirectory(prefix="lora-chat-") as folder:
        if files[0].suffix == ".bin":
            files = _unpickle(files, Path(folder))
        tensors: Tensors = {}
        for path in files:
            found = read_tensors(path)
            if twice := tensors.keys() & found.keys():
                raise AdapterInvalid.in_file(path, f"holds {min(twice)}, as another part does.")
            tensors |= found
    return tensors


def _unpickle(files: list[Path], folder: Path) -> list[Path]:
    """The same as safetensors in `folder`, made by another process."""
    command = [sys.executable, "-P", unpickle.__file__, str(folder), *map(str, files)]
    where = files[0] if len(files) == 1 else files[0].parent
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AdapterInvalid(f"could not be read in {SECONDS} seconds.", where) from error
    if done.returncode != 0:
        said = done.stderr.strip().rpartition("\n")[2][:MAX_SAID]
        raise AdapterInvalid(
            f"is not taken: {said.rstrip('.')}. Have it saved as {WEIGHTS_FILE}.", where
        )
    return [folder / f"{number}.safetensors" for number in range(len(files))]


def _check_index(source: Path, suffix: str, tensors: Tensors) -> None:
    """Raises AdapterInvalid where the index of an adapter in parts names more than there is."""
    path = source / f"adapter_model{suffix}.index.json"
    if not path.is_file():
        return
    try:
        listed = set(json.loads(path.read_bytes())["weight_map"])
    except (ValueError, LookupError, TypeError) as error:
        problem = "is damaged. Copy the whole folder again."
        raise AdapterInvalid.in_file(path, problem) from error
    if missing := sorted(listed - tensors.keys()):
        raise AdapterInvalid(
            f"The parts in {source} lack {len(missing)} tensors of their index, {missing[0]} among "
            "them. Copy the whole folder again."
        )


def _save(tensors: Tensors, path: Path) -> None:
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
