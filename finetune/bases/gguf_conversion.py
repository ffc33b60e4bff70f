"""What is made of a GGUF base once and kept: a Hugging Face folder, or its tokenizer alone.

It lies under `home/bases`.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import struct
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from data.whole_file import new_folder
from data.wording import _
from finetune.errors import BaseUnusable

from .whole_model import load_whole

logger = logging.getLogger(__name__)

SAMPLED = 16  # [MiB] read of a GGUF file to tell it from others
DAMAGES = (OSError, ValueError, KeyError, IndexError, OverflowError, struct.error)


def convert(gguf: Path, bases: Path) -> Path:
    """The base as a Hugging Face folder. Raises BaseUnusable."""
    target = _place(gguf, bases)
    if not target.is_dir():
        told = _("Converting {file} for training and serving; once, about half a minute …")
        logger.info("%s", told.format(file=gguf.name))
        _make(target, lambda folder: _write_model(gguf, folder))
    return target


def convert_tokenizer(gguf: Path, bases: Path, vocab_size: int) -> Path:
    """A folder with the base's tokenizer, and with more where there is more. Raises BaseUnusable.

    `vocab_size` is the number of tokens that the model has.
    """
    whole = _place(gguf, bases)
    target = whole if whole.is_dir() else whole.with_name(f"{whole.name}-tokenizer")
    if not target.is_dir():
        told = _("Reading the vocabulary of {file}; once, some seconds …")
        logger.info("%s", told.format(file=gguf.name))
        _make(target, lambda folder: _write_tokenizer(gguf, folder, vocab_size))
    return target


def _place(gguf: Path, bases: Path) -> Path:
    return bases / f"{gguf.stem}-{_identity(gguf)}"


def _make(target: Path, write: Callable[[Path], None]) -> None:
    """Have a folder written that appears whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        told = _(
            "What is made of a GGUF file once has no place: {folder} cannot be written ({error}). "
            "`lora-chat bases pull` makes it beforehand, where home can be."
        )
        raise BaseUnusable(told.format(folder=target.parent, error=error.strerror)) from error
    with new_folder(target.parent) as temporary:
        write(temporary)
        temporary.chmod(0o755)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():  # otherwise another process was first, with the same result
                raise


def _write_model(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import GgufConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    with _reading(gguf):
        # float16 holds dequantized weights more exactly than bfloat16: block scales are float16.
        model = load_whole(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(gguf.name, dequantize=True),
            dtype=torch.float16,
        )
        model.save_pretrained(folder)
    _write_tokenizer(gguf, folder, model.config.vocab_size)


def _write_tokenizer(gguf: Path, folder: Path, vocab_size: int) -> None:
    from transformers import AutoTokenizer

    with _reading(gguf):
        tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tokenizer.save_pretrained(folder)
        _drop_foreign_tokens(folder / "tokenizer.json", vocab_size)


@contextlib.contextmanager
def _reading(gguf: Path) -> Generator[None]:
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # transformers draws bars of its own
            yield
    except DAMAGES as error:
        told = _(
            "{path} cannot be read as a GGUF model: {error}. If it is one of a LLaMA-like "
            "architecture, download it again."
        )
        raise BaseUnusable(told.format(path=gguf, error=error)) from error


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
