"""A GGUF file as a base, for the engine that runs it as it is.

Its weights stay where they are; a tokenizer as transformers knows it is made from it once.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data.wording import _
from finetune.errors import BaseNotFound, BaseUnusable, GgufInvalid

from .base import (
    SHORT_NAMES,
    Base,
    find_base,
    kept_gguf,
    not_installed,
    packaged_as,
    read_tokenizer,
)
from .fingerprint import SAMPLE_SIZE, Fingerprint, digest_vocabulary
from .gguf_conversion import convert_tokenizer
from .gguf_file import GgufFile, read_gguf
from .gguf_shape import GgufShape

EMBEDDING = "token_embd.weight"
ONE_MORE = ("gemma", "gemma2", "gemma3")  # whose norms llama.cpp keeps with 1 added


@dataclass(frozen=True)
class GgufBase:
    """A base model in one GGUF file."""

    id: str
    path: Path
    bases: Path  # where its tokenizer is kept

    @cached_property
    def gguf(self) -> GgufFile:
        """Raises BaseUnusable."""
        try:
            return read_gguf(self.path)
        except GgufInvalid as error:
            raise BaseUnusable(str(error)) from error

    @cached_property
    def shape(self) -> GgufShape:
        return GgufShape.of_gguf(self.gguf)

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called by who has it from elsewhere."""
        return self.id, str(self.path)

    @cached_property
    def tokenizer(self) -> Any:
        """Raises BaseUnusable."""
        return read_tokenizer(convert_tokenizer(self.path, self.bases, self.vocab_size))

    @property
    def vocab_size(self) -> int:
        return self.gguf.tensors[EMBEDDING].shape[0]

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint that `fingerprint_folder` has for the same base. Raises BaseUnusable."""
        try:
            return Fingerprint(
                shape=self._sizes(),
                vocabulary=digest_vocabulary(self.tokenizer.get_vocab()),
                norms=self._norms(),
            )
        except (GgufInvalid, KeyError) as error:
            raise BaseUnusable(_not_whole(self.path, error)) from error

    def _sizes(self) -> dict[str, str | int]:
        shape = self.shape
        return {
            "model_type": shape.architecture,
            "hidden_size": self.gguf.count(f"{shape.architecture}.embedding_length"),
            "intermediate_size": self.gguf.count(f"{shape.architecture}.feed_forward_length"),
            "num_hidden_layers": shape.num_layers,
            "num_attention_heads": shape.num_heads,
            "num_key_value_heads": shape.num_kv_heads,
            "vocab_size": self.vocab_size,
        }

    def _norms(self) -> tuple[float, ...]:
        layer = self.shape.num_layers // 2
        modules = (
            "model.layers.0.input_layernorm",
            f"model.layers.{layer}.post_attention_layernorm",
            "model.norm",
        )
        excess = 1.0 if self.shape.architecture in ONE_MORE else 0.0
        sampled = [
            float(value) - excess
            for module in modules
            for value in self.gguf.read(self.shape.name_of(module))[:SAMPLE_SIZE]
        ]
        return tuple(float(f"{value:.6g}") for value in sampled)


def find_gguf_base(spec: str, home: Path) -> GgufBase:
    """The GGUF file that a short name, a path or the name of one under `home/bases` means.

    Raises BaseNotFound or BaseUnusable; GGUF files of other architectures are BaseUnusable.
    """
    short_name = packaged_as(spec)
    path = SHORT_NAMES[short_name].find() if short_name else kept_gguf(spec, home)
    if path is None and short_name:
        raise not_installed(short_name)
    if path is None:
        told = _(
            "The llama.cpp engine runs GGUF files, and {name!r} is none. Give the path of a .gguf "
            "file or one of {known}, or serve it with --engine torch."
        )
        raise BaseNotFound(told.format(name=spec, known=", ".join(SHORT_NAMES)))
    base = GgufBase(short_name or path.stem, path.absolute(), home / "bases")
    if base.gguf.metadata.get("split.count", 1) not in (0, 1):
        told = _(
            "{path} is a part of a model. Join the parts with llama.cpp's `llama-gguf-split "
            "--merge` and give the whole file."
        )
        raise BaseUnusable(told.format(path=path))
    try:
        _sizes = base.shape, base.vocab_size
    except (GgufInvalid, KeyError) as error:
        raise BaseUnusable(_not_whole(path, error)) from error
    return base


def _not_whole(path: Path, error: Exception) -> str:
    return _("{path} is no whole model: {error}").format(path=path, error=error)


def find_any_base(spec: str, home: Path) -> Base | GgufBase:
    """Find a base, as a GGUF file where it is one: nothing is converted then. Raises as both
    finders do."""
    if packaged_as(spec) or kept_gguf(spec, home) is not None:
        return find_gguf_base(spec, home)
    return find_base(spec, home)


def shape_of(base: Base | GgufBase) -> GgufShape:
    """Raises BaseUnusable for an architecture that has no GGUF names here."""
    return base.shape if isinstance(base, GgufBase) else GgufShape.of_config(base.config)
