"""What a server is given: an adapter's own folder, or one that is made of a blend.

vLLM has no scale by request, takes one rank for all modules of an adapter and keeps computed
prompts by an adapter's name. So a blend, or an adapter with ranks of its own for some modules, is
written once as a plain adapter whose products are the same, and no name is used for anything else:
it ends with the hash of what it stands for.

The base is asked by an adapter of zeros. On a CPU, vLLM 0.32 adds the adapter in its last slot to
whoever asks without one in the same batch: its index -1 counts from the end.

A = [A₁; A₂; …] and B = [f₁B₁, f₂B₂, …], so that B·A = f₁B₁A₁ + f₂B₂A₂ + …, with every module
filled up with zeros to the largest rank.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.weights import LoraPair, read_pairs
from finetune.errors import AdapterInvalid
from serving.engine import Blend
from serving.errors import AdapterRefused

HASHED = 12  # hexadecimal digits
MOST_NAMED = 40  # characters of a blend's names
RANKS = ("rank_pattern", "alpha_pattern")  # of an adapter that is not plain

BASE = "base"
ZEROS = f"{BASE}@{'0' * HASHED}"  # the name of its adapter of zeros

Pairs = dict[str, LoraPair]
Layer = tuple[str, tuple[int, int]]  # a linear layer's name, and its (out, in) features


@dataclass(frozen=True, slots=True)
class Pushed:
    """What stands for a blend at a server."""

    name: str
    folder: Path
    is_made: bool  # for this alone: to be removed with it

    def remove(self) -> None:
        if self.is_made:
            shutil.rmtree(self.folder, ignore_errors=True)


def push_name(blend: Blend) -> str:
    """The names of its adapters, and a hash of their files and scales."""
    if not blend:
        return ZEROS
    parts = [f"{ref.sha256}:{scale!r}" for ref, scale in blend]
    digest = hashlib.sha256("+".join(parts).encode()).hexdigest()
    return f"{'+'.join(ref.name for ref, _ in blend)[:MOST_NAMED]}@{digest[:HASHED]}"


def model_of(blend: Blend) -> str:
    """What its adapters are called: the same for each version of them."""
    return "+".join(ref.name for ref, scale in blend if scale)


def prepare(blend: Blend, kept: Path, zeroed: Layer) -> Pushed:
    """Find or make the folder of a blend; made ones are `kept`. Raises AdapterRefused, and OSError
    or SafetensorError where none can be written."""
    name = push_name(blend)
    if len(blend) == 1 and blend[0][1] == 1.0 and _is_plain(blend[0][0].folder):
        return Pushed(name, blend[0][0].folder, is_made=False)
    parts = [(_pairs_of(ref), scale) for ref, scale in blend]
    folder = kept / secrets.token_hex(8)
    write_sum(parts or [(_zeros(zeroed), 1.0)], folder)
    return Pushed(name, folder, is_made=True)


def _zeros(layer: Layer) -> Pairs:
    import torch

    name, (rows, columns) = layer
    return {f"{name}.weight": LoraPair(torch.zeros(1, columns), torch.zeros(rows, 1), 1.0)}


def write_sum(parts: Sequence[tuple[Pairs, float]], folder: Path) -> None:
    """Write one plain adapter that adds what all of them add, each with its scale."""
    from safetensors.torch import save_file

    modules = sorted({module for pairs, _ in parts for module in pairs})
    joined = {module: _join(module, parts) for module in modules}
    rank = max(len(a) for a, _ in joined.values())
    tensors: dict[str, Any] = {}
    for module, (a, b) in joined.items():
        name = f"base_model.model.{module.removesuffix('.weight')}"
        tensors[f"{name}.lora_A.weight"] = _filled(a, rank, 0)
        tensors[f"{name}.lora_B.weight"] = _filled(b, rank, 1)
    targets = sorted({module.removesuffix(".weight").rpartition(".")[2] for module in modules})
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": targets}
    folder.mkdir(parents=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors, folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # the server may run as somebody else


def _join(module: str, parts: Sequence[tuple[Pairs, float]]) -> tuple[Any, Any]:
    import torch

    found = [(pairs[module], scale) for pairs, scale in parts if module in pairs]
    a = torch.cat([pair.a.float() for pair, _ in found])
    b = torch.cat([pair.b.float() * (scale * pair.factor) for pair, scale in found], dim=1)
    return a, b


def _filled(tensor: Any, rank: int, dim: int) -> Any:
    import torch

    missing = rank - tensor.shape[dim]
    shape = (missing, tensor.shape[1]) if dim == 0 else (tensor.shape[0], missing)
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=dim).contiguous()


def _is_plain(folder: Path) -> bool:
    try:
        config = json.loads((folder / CONFIG_FILE).read_bytes())
    except (OSError, ValueError):
        return True  # whoever reads it says what is wrong
    return not any(config.get(name) for name in RANKS)


def _pairs_of(ref: Any) -> Pairs:
    try:
        return read_pairs(ref.folder)
    except (AdapterInvalid, OSError) as error:
        raise AdapterRefused.of(error, ref) from error
