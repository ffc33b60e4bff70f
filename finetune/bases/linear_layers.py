"""The linear layers of a base that adapters are trained on, by their names and sizes."""

import re
from collections.abc import Mapping
from pathlib import Path

from data.wording import _
from finetune.errors import BaseUnusable

from .base import Base
from .fingerprint import read_shapes
from .gguf_base import GgufBase, shape_of
from .gguf_shape import ARCHITECTURES

Sizes = tuple[int, int]  # (out, in) features
WEIGHT = re.compile(r"(?P<module>.+\.(?:layers|h)\.\d+\..+)\.weight")
# Where a language model with a tower for pictures keeps its layers on the disk, and in memory.
STORED, LOADED = "language_model.model.", "model.language_model."
TURNED = ("gpt2",)  # whose matrices are stored the other way round


def linear_layers(base: Base | GgufBase) -> Mapping[str, Sizes]:
    """Each linear layer as transformers names it: of known families by the configuration, of
    others by what the checkpoint holds. Raises BaseUnusable."""
    if isinstance(base, GgufBase) or base.config.get("model_type") in ARCHITECTURES:
        return shape_of(base).modules
    found = read_linear_layers(base.folder)
    if base.config.get("model_type") in TURNED:
        return {name: (rows, columns) for name, (columns, rows) in found.items()}
    return found


def read_linear_layers(folder: Path) -> dict[str, Sizes]:
    """All matrices in the decoder's layers, from the headers of a checkpoint's files; those of a
    quantized one are none. Raises BaseUnusable."""
    from safetensors import SafetensorError

    try:
        shapes = read_shapes(folder)
    except (OSError, SafetensorError) as error:
        told = _("{folder} is no whole model: {error}").format(folder=folder, error=error)
        raise BaseUnusable(told) from error
    found = {
        match["module"].replace(STORED, LOADED): (shape[0], shape[1])
        for name, shape in shapes.items()
        if (match := WEIGHT.fullmatch(name)) and len(shape) == 2
    }
    if not found:
        told = _("{folder} has no layers of a kind that adapters are known to be trained on.")
        raise BaseUnusable(told.format(folder=folder))
    return found
