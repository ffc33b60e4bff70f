"""Which base model an adapter belongs to, told from the model itself and not from its name."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from data.wording import _

SHAPE_KEYS = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
)
SAMPLE_SIZE = 32  # [weights] of each norm
# GGUF files call a mistral llama. Shapes, vocabulary and norms tell them apart all the same.
ALIKE: dict[str | int | None, str] = {"mistral": "llama", "gemma3_text": "gemma3"}
NORM = re.compile(r"(?:norm|\bln_?\w*)\.weight$")  # of any family
TOLERANCE = 0.01  # relative; GGUF and 16-bit files round norms by less


class Fingerprint(BaseModel):
    """The hard part of a base's identity. Norms are sampled: no quantization touches them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: dict[str, str | int]
    vocabulary: str  # sha256 over the tokens in order of id
    norms: tuple[float, ...]

    def differences(self, other: "Fingerprint") -> list[str]:
        """What differs, in words; empty where the bases are the same."""
        told = _("{key} is {value}, not {own}")
        found = [
            told.format(key=key, value=other.shape.get(key), own=value)
            for key, value in self.shape.items()
            if _plain(other.shape.get(key)) != _plain(value)
        ]
        if self.vocabulary != other.vocabulary:
            found.append(_("the vocabulary is another"))
        if not found and not _close(self.norms, other.norms):
            found.append(_("the weights are others (same architecture, another training)"))
        return found


def fingerprint_folder(folder: Path, vocabulary: dict[str, int]) -> Fingerprint:
    """Compute the fingerprint of a Hugging Face folder. Reads a few kilobytes of weights."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = {key: config[key] for key in SHAPE_KEYS if config.get(key) is not None}
    return Fingerprint(
        shape=shape, vocabulary=digest_vocabulary(vocabulary), norms=_norms(folder, config)
    )


def digest_vocabulary(vocabulary: dict[str, int]) -> str:
    """Digest a vocabulary without the tokens that llama.cpp's converter invents where a model has
    more than its tokenizer."""
    digest = hashlib.sha256()
    for token, token_id in sorted(vocabulary.items(), key=lambda item: item[1]):
        if token != f"[PAD{token_id}]":
            digest.update(token.encode() + b"\n")
    return digest.hexdigest()


def _plain(value: str | int | None) -> str | int | None:
    return ALIKE.get(value, value)


def _norms(folder: Path, config: dict[str, Any]) -> tuple[float, ...]:
    sampled: list[float] = []
    for name in _sampled_names(folder, config):
        sampled += read_tensor(folder, name).flatten()[:SAMPLE_SIZE].float().tolist()
    return tuple(float(f"{value:.6g}") for value in sampled)


def _sampled_names(folder: Path, config: dict[str, Any]) -> list[str]:
    """The norms by the names that most families give them; of others, three that there are."""
    middle = config.get("num_hidden_layers", 0) // 2
    usual = [
        "model.layers.0.input_layernorm.weight",
        f"model.layers.{middle}.post_attention_layernorm.weight",
        "model.norm.weight",
    ]
    names = read_shapes(folder).keys()
    if names >= {*usual}:
        return usual
    norms = sorted(name for name in names if NORM.search(name))
    if not norms:
        raise KeyError(usual[-1])
    return [norms[0], norms[len(norms) // 2], norms[-1]]


def read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Each of a checkpoint's tensors with its shape, from the headers of its files alone."""
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        with safe_open(folder / file, framework="numpy") as opened:
            for name in sorted(opened.keys()):
                shapes[name] = tuple(opened.get_slice(name).get_shape())
    return shapes


def read_tensor(folder: Path, name: str) -> Any:
    """Read one tensor of a checkpoint, in one file or sharded. Raises KeyError."""
    from safetensors import safe_open

    with safe_open(folder / weight_files(folder, name)[0], framework="pt") as file:
        if name not in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
            raise KeyError(name)
        return file.get_tensor(name)


def weight_files(folder: Path, name: str | None = None) -> list[str]:
    """The checkpoint's safetensors files, or the one that holds the tensor `name`."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return ["model.safetensors"]
    files: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    return sorted(set(files.values())) if name is None else [files[name]]


def _close(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    if len(left) != len(right):
        return False
    scale = max((abs(value) for value in left), default=0.0) or 1.0
    return all(abs(a - b) <= TOLERANCE * scale for a, b in zip(left, right, strict=True))
