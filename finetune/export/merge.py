"""An adapter's weights added to its base's, as a Hugging Face checkpoint in 16 bits.

Every sum is computed in float32 and rounded once. One file of the base is in memory at a time,
where PEFT's own merge, to be as exact, holds the whole base in float32 (27 GB for LLaMA-2-7B).

A 16-bit base keeps its type. One in float32 becomes float16, whose rounding is an eighth of
bfloat16's: an adapter changes a weight by so little that bfloat16 would lose much of it.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune.adapters.weights import LoraPair, read_pairs
from finetune.bases.fingerprint import weight_files
from finetune.errors import AdapterInvalid, BaseMismatch, BaseUnusable, NotWritten

INDEX_FILE = "model.safetensors.index.json"
TYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float16"}  # a base's to the merged one's


def merge_weights(base: Path, adapter: Path, folder: Path) -> str:
    """Write the merged weights into `folder`, in files like the base's; return their type's name.

    Raises BaseMismatch for an adapter that has no place in the base, BaseUnusable for a base that
    is not stored in floating point, and AdapterInvalid.
    """
    pairs = read_pairs(adapter)
    dtype = _merged_type(base, next(iter(pairs)))
    unused, num_bytes = set(pairs), 0
    for name in weight_files(base):
        tensors = _merge_file(base / name, pairs, dtype)
        unused -= set(tensors)
        num_bytes += sum(tensor.nbytes for tensor in tensors.values())
        _save(tensors, folder / name)
    if unused:
        raise BaseMismatch(f"The base in {base} has no {min(unused)}, which the adapter changes.")
    _write_index(base, folder, num_bytes)
    return dtype


def _merge_file(path: Path, pairs: dict[str, LoraPair], dtype: str) -> dict[str, Any]:
    with _open(path) as file:
        return {
            name: _merge(name, file.get_tensor(name), pairs.get(name), dtype)
            for name in file.keys()  # noqa: SIM118 - a safetensors file is no mapping
        }


@contextmanager
def _open(path: Path) -> Generator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise BaseUnusable(f"{path} cannot be read: {error}. Download the base again.") from error


def _save(tensors: dict[str, Any], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk
        raise NotWritten(path, error) from error
    path.chmod(0o644)  # safetensors lets its owner alone read it


def _merged_type(base: Path, name: str) -> str:
    stored = _stored_type(base, name)
    if stored is None:
        raise BaseMismatch(f"The base in {base} has no {name}, which the adapter changes.")
    if stored not in TYPES:
        raise BaseUnusable(
            f"The base in {base} is stored as {stored}. Weights can be merged in floating point "
            "alone: give the base's 16-bit form with --base."
        )
    return TYPES[stored]


def _stored_type(base: Path, name: str) -> str | None:
    for each in weight_files(base):
        with _open(base / each) as file:
            if name in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                return str(file.get_slice(name).get_dtype())
    return None


def _merge(name: str, weight: Any, pair: LoraPair | None, dtype: str) -> Any:
    import torch

    wanted = getattr(torch, dtype)
    if pair is None:
        return weight.to(wanted) if weight.is_floating_point() else weight
    shape = (len(pair.b), pair.a.shape[1])
    if weight.shape != shape:
        raise BaseMismatch(f"{name} is {tuple(weight.shape)} in the base, {shape} in the adapter.")
    merged = weight.float() + pair.factor * (pair.b.float() @ pair.a.float())
    if not merged.abs().max() <= torch.finfo(wanted).max:  # so written, it is true of NaN too
        raise AdapterInvalid(
            f"{name} would grow beyond what {dtype} holds: the adapter's weights are far too "
            "large, or no numbers. Train it again, with a lower learning rate."
        )
    return merged.to(wanted)


def _write_index(base: Path, folder: Path, num_bytes: int) -> None:
    if (base / INDEX_FILE).is_file():
        index = json.loads((base / INDEX_FILE).read_bytes())
        index["metadata"] = {**index.get("metadata", {}), "total_size": num_bytes}
        (folder / INDEX_FILE).write_text(json.dumps(index, indent=2), encoding="utf-8")
