"""Adapters as llama.cpp reads them: converted once, and kept beside the adapter."""

import hashlib
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import AdapterInvalid, BaseMismatch, ExportRefused, GgufInvalid
from finetune.gguf_base import GgufBase
from finetune.gguf_file import GgufFile, read_gguf
from finetune.gguf_lora import SIDES, check_gguf_lora, read_peft, write_gguf_lora
from serving.encoder import Confirm
from serving.engine import AdapterRef, LoadReport
from serving.errors import AdapterRefused

logger = logging.getLogger(__name__)

PREFIX = "llamacpp-"  # of the files that are made here


@dataclass(frozen=True, slots=True)
class ConvertedAdapter:
    """A GGUF file that fits the base."""

    path: Path
    report: LoadReport


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    pointer: Any  # llama.cpp's
    report: LoadReport

    @property
    def num_bytes(self) -> int:
        return self.report.num_bytes


class AdapterConverter:
    """From PEFT folders to GGUF files; may be called from any thread.

    `confirm` is asked once an adapter's files have been read, and raises AdapterRefused where they
    are no longer those that the hash stands for.
    """

    def __init__(self, base: GgufBase, confirm: Confirm | None) -> None:
        self._base = base
        self._confirm = confirm
        self._scratch: Path | None = None  # for what cannot be written beside its adapter

    def close(self) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def convert(self, ref: AdapterRef) -> ConvertedAdapter:
        """Raises AdapterRefused where the adapter is damaged or does not fit the base."""
        try:
            path = self._find(ref) or self._make(ref)
            gguf = read_gguf(path)
            check_gguf_lora(gguf, self._base.shape, self._base.gguf)
        except (AdapterInvalid, BaseMismatch, GgufInvalid) as error:
            # Clients see this message: where home lies is not their business.
            raise AdapterRefused(
                f"The adapter {ref} cannot be used: {str(error).replace(str(ref.folder), str(ref))}"
            ) from error
        except OSError as error:
            raise AdapterRefused(f"The adapter {ref} cannot be read: {error.strerror}") from error
        return ConvertedAdapter(path, self._report(gguf))

    def _find(self, ref: AdapterRef) -> Path | None:
        """What an earlier conversion has left, whole."""
        for folder in filter(None, (ref.folder, self._scratch)):
            path = folder / _file_name(ref)
            try:
                read_gguf(path)
            except GgufInvalid:
                continue
            return path
        return None

    def _make(self, ref: AdapterRef) -> Path:
        lora = read_peft(ref.folder)
        if self._confirm is not None:
            self._confirm(ref)
        path = ref.folder / _file_name(ref)
        try:
            write_gguf_lora(lora, self._base.shape, path)
        except (ExportRefused, OSError) as error:
            logger.info("%s is kept for this run alone: %s", path.name, error)
            self._scratch = self._scratch or Path(tempfile.mkdtemp(prefix="lora-chat-"))
            path = self._scratch / path.name
            write_gguf_lora(lora, self._base.shape, path)
        else:
            _forget_others(path)
        return path

    def _report(self, gguf: GgufFile) -> LoadReport:
        matched = tuple(
            name.removeprefix("model.").removesuffix(".weight")
            for name, tensor in self._base.shape.names.items()
            if tensor + SIDES[0] in gguf.tensors
        )
        return LoadReport(matched, sum(tensor.num_bytes for tensor in gguf.tensors.values()))


def _file_name(ref: AdapterRef) -> str:
    return f"{PREFIX}{hashlib.sha256(ref.sha256.encode()).hexdigest()[:16]}.gguf"


def _forget_others(path: Path) -> None:
    """Files of weights that stood in this folder before."""
    for other in path.parent.glob(f"{PREFIX}*.gguf"):
        if other != path:
            other.unlink(missing_ok=True)
