"""LoRA adapters as llama.cpp reads them: from a PEFT folder to a GGUF file, and back.

llama.cpp adds  scale · alpha / rank · B · A  with one alpha for a file, so rsLoRA and PEFT's
patterns of ranks and alphas are folded: into alpha where one will do, else into B.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.whole_file import whole_path
from finetune.bases.gguf_file import GgufFile, read_gguf
from finetune.bases.gguf_shape import GgufShape
from finetune.errors import AdapterInvalid, BaseMismatch, GgufInvalid, NotWritten

from .files import CONFIG_FILE, WEIGHTS_FILE
from .header import Shape
from .tensor_names import tensor_of
from .weights import LoraPair, misfit, read_pairs

Floats = NDArray[np.float32]
ALPHA_KEY = "adapter.lora.alpha"
SIDES = (".lora_a", ".lora_b")
LARGEST_ALPHA = 1e15  # of an alpha
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}  # safetensors' names to numpy's


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter whose factors are all alpha / rank. Its numbers are float32, the rows of B in
    transformers' order."""

    source: Path
    alpha: float
    pairs: Mapping[str, LoraPair]  # by the name of the weight that each changes


def read_peft(folder: Path) -> Lora:
    """A PEFT folder with its scales folded. Raises AdapterInvalid."""
    pairs = read_pairs(folder, _load)
    alphas = [pair.factor * pair.rank for pair in pairs.values()]
    alpha = next((each for each in alphas if each), 1.0)
    if not max(map(abs, alphas)) < LARGEST_ALPHA:
        raise AdapterInvalid(f"is damaged: its alpha is {alpha:g}.", folder)
    for own, (name, pair) in zip(alphas, pairs.items(), strict=True):
        is_same = math.isclose(own, alpha, rel_tol=1e-6)
        a, b = pair.a, pair.b if is_same else pair.b * np.float32(own / alpha)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise AdapterInvalid(
                f"is damaged: {name} holds values that are no numbers. Train it again, with a "
                "lower learning rate if its loss became NaN.",
                folder,
            )
        pairs[name] = LoraPair(a, b, alpha / pair.rank)
    return Lora(folder, alpha, pairs)


def write_gguf_lora(lora: Lora, shape: GgufShape, path: Path) -> None:
    """Write a GGUF file in float32, whole or not at all. Raises BaseMismatch or NotWritten."""
    from gguf import GGUFType, GGUFWriter, Keys

    check_fit(lora, shape)
    writer = GGUFWriter(None, shape.architecture)
    writer.add_type(GGUFType.ADAPTER)
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, lora.alpha)
    for name, pair in lora.pairs.items():
        tensor = shape.names[name]
        heads = shape.turned_heads(name)
        writer.add_tensor(tensor + SIDES[0], pair.a)
        writer.add_tensor(tensor + SIDES[1], pair.b if heads is None else turn(pair.b, heads))
    try:
        with whole_path(path) as temporary:
            writer.write_header_to_file(temporary)
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
    except OSError as error:
        raise NotWritten(path, error) from error


def read_gguf_lora(path: Path, shape: GgufShape) -> Lora:
    """Raises AdapterInvalid for what is no LoRA or changes more than linear layers, BaseMismatch
    for one of another architecture."""
    try:
        gguf = read_gguf(path)
        check_gguf_lora(gguf, shape)
        alpha = gguf.number(ALPHA_KEY) if gguf.metadata.get(ALPHA_KEY) else 0.0
        halves = {
            name: (
                gguf.read(tensor + SIDES[0]),
                _read_b(gguf, tensor + SIDES[1], shape.turned_heads(name)),
            )
            for name, tensor in shape.names.items()
            if tensor + SIDES[0] in gguf.tensors
        }
    except GgufInvalid as error:
        raise AdapterInvalid(str(error)) from error
    # Without an alpha llama.cpp adds B · A as it is.
    ranks = {len(a) for a, _ in halves.values()}
    if not alpha and len(ranks) > 1:
        raise AdapterInvalid.in_file(path, f"has ranks {sorted(ranks)} and no {ALPHA_KEY}.")
    alpha = alpha or float(ranks.pop())
    pairs = {name: LoraPair(a, b, alpha / len(a)) for name, (a, b) in halves.items()}
    return Lora(path, alpha, pairs)


def check_gguf_lora(gguf: GgufFile, shape: GgufShape) -> None:
    """Raises AdapterInvalid or BaseMismatch for what llama.cpp would refuse or stumble over."""
    if (
        gguf.metadata.get("general.type") != "adapter"
        or gguf.metadata.get("adapter.type") != "lora"
    ):
        problem = "is no LoRA adapter: give one made by llama.cpp's tools."
        raise AdapterInvalid.in_file(gguf.path, problem)
    if (kind := gguf.metadata.get("general.architecture")) != shape.architecture:
        problem = f"is for a {kind} model; the base is {shape.architecture}."
        raise BaseMismatch.in_file(gguf.path, problem)
    if gguf.metadata.get("adapter.alora.invocation_tokens"):
        raise AdapterInvalid.in_file(gguf.path, "is an activated LoRA, which cannot share a base.")
    known = {tensor + side for tensor in shape.names.values() for side in SIDES}
    if foreign := [name for name in gguf.tensors if name not in known]:
        raise BaseMismatch.in_file(
            gguf.path,
            f"changes {foreign[0]}: adapters of the base's linear layers alone are "
            "taken, plain LoRA or rsLoRA.",
        )
    if not gguf.tensors:
        raise AdapterInvalid.in_file(gguf.path, "holds nothing.")
    for name, tensor in shape.names.items():
        a, b = (gguf.tensors.get(tensor + side) for side in SIDES)
        if (a is None) != (b is None):
            raise AdapterInvalid.in_file(gguf.path, f"holds A or B alone for {tensor}.")
        if a is not None and b is not None:
            _check_sizes(gguf.path, name, a.shape, b.shape, shape)


def check_fit(lora: Lora, shape: GgufShape) -> None:
    """Raises BaseMismatch where the base lacks what the adapter changes, or has other sizes."""
    for name, pair in lora.pairs.items():
        if name not in shape.names:
            problem = f"does not fit the base: a {shape.architecture} model has no {name}."
            raise BaseMismatch(problem, lora.source)
        _check_sizes(lora.source, name, pair.a.shape, pair.b.shape, shape)


def _check_sizes(source: Path, name: str, a: Shape, b: Shape, shape: GgufShape) -> None:
    if problem := misfit(name, a, b, shape.sizes_of(name)):
        raise BaseMismatch(problem, source)


def write_peft(lora: Lora, base_id: str, folder: Path) -> None:
    """Write PEFT's two files into a folder, in float32."""
    from safetensors.numpy import save_file

    ranks = {name.removesuffix(".weight"): pair.rank for name, pair in lora.pairs.items()}
    rank = next(iter(ranks.values()))
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_id,
        "r": rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "rank_pattern": {module: own for module, own in ranks.items() if own != rank},
        "target_modules": sorted({module.rpartition(".")[2] for module in ranks}),
    }
    tensors = {
        tensor_of(name.removesuffix(".weight"), side): values
        for name, pair in lora.pairs.items()
        for side, values in (("A", pair.a), ("B", pair.b))
    }
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors lets its owner alone read it
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def turn(weight: Floats, num_heads: int) -> Floats:
    """Reorder the rows of q or k as llama.cpp has them: rotary positions turn pairs of rows.

    transformers pairs row i of a head with row i + half, llama.cpp row 2i with row 2i + 1:
    a head's rows  [ a0 a1 … | b0 b1 … ]  become  [ a0 b0 a1 b1 … ].
    """
    rows, columns = weight.shape
    halves = weight.reshape(num_heads, 2, rows // num_heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, columns)


def turn_back(weight: Floats, num_heads: int) -> Floats:
    """The inverse of `turn`."""
    rows, columns = weight.shape
    pairs = weight.reshape(num_heads, rows // num_heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def _read_b(gguf: GgufFile, tensor: str, heads: int | None) -> Floats:
    b: Floats = gguf.read(tensor)
    return b if heads is None else turn_back(b, heads)


def _load(path: Path) -> dict[str, Floats]:
    """Load weights without torch, which a server of GGUF bases does not need. Raises
    SafetensorError."""
    from safetensors import deserialize

    # Not mapped: who reads a mapped file that somebody cuts short is killed by the system.
    stored = dict(deserialize(path.read_bytes()))
    return {name: _floats(path, name, tensor) for name, tensor in stored.items()}


def _floats(path: Path, name: str, tensor: Any) -> Floats:
    kind, data = tensor["dtype"], tensor["data"]
    if kind == "BF16":  # the upper half of a float32
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif kind in KINDS:
        values = np.frombuffer(data, KINDS[kind]).astype(np.float32)
    else:
        problem = f"holds {name} as {kind}, where F32, F16 or BF16 belongs."
        raise AdapterInvalid.in_file(path, problem)
    return values.reshape(tensor["shape"])
