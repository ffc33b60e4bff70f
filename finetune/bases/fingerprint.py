"""Which base model an adapter belongs to, told from the model itself and not from its name."""

import hashlib
import json
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
    middle = config["num_hidden_layers"] // 2
    names = [
        "model.layers.0.input_layernorm.weight",
        f"model.layers.{middle}.post_attention_layernorm.weight",
        "model.norm.weight",
    ]
    sampled: list[float] = []
    for name in names:
        sampled += read_tensor(folder, name).flatten()[:SAMPLE_SIZE].float().tolist()
    return tuple(float(f"{value:.6g}") for value in sampled)


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
