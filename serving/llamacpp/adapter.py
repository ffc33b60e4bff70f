"""Adapters as llama.cpp reads them: a GGUF file for as long as it takes to load it.

Nothing is kept beside the adapter: a conversion takes 50 ms for one of 20 MB, where llama.cpp
itself takes 20, and a file that was found there would have to be trusted.
"""

import shutil
import tempfile
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.adapters.gguf import Lora, read_peft, write_gguf_lora
from finetune.bases.gguf_base import GgufBase
from finetune.errors import AdapterInvalid, BaseMismatch, NotWritten
from serving.engine import AdapterRef, LoadReport
from serving.errors import AdapterRefused
from serving.torch.encoder import Confirm

FILE = "adapter.gguf"


class ConvertedAdapter:
    """A GGUF file that fits the base. It goes with this object, or sooner by `remove()`."""

    def __init__(self, folder: Path, report: LoadReport) -> None:
        self.path = folder / FILE
        self.report = report
        self.remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    pointer: Any  # llama.cpp's
    report: LoadReport

    @property
    def num_bytes(self) -> int:
        return self.report.num_bytes


class AdapterConverter:
    """Converts PEFT folders to GGUF files; may be called from any thread.

    `confirm` is asked once an adapter's files have been read, and raises AdapterRefused where they
    are no longer those that the hash stands for.
    """

    def __init__(self, base: GgufBase, confirm: Confirm | None) -> None:
        self._base = base
        self._confirm = confirm

    def convert(self, ref: AdapterRef) -> ConvertedAdapter:
        """Raises AdapterRefused where the adapter is damaged or does not fit the base."""
        folder = Path(tempfile.mkdtemp(prefix="lora-chat-"))
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            try:
                lora = self._write(ref, folder / FILE)
            except (AdapterInvalid, BaseMismatch, OSError) as error:
                raise AdapterRefused.of(error, ref) from error
            except NotWritten as error:
                problem = f"cannot be made ready: {error.reason}. Make room and try again."
                raise AdapterRefused(problem, ref) from error
            stack.pop_all()
        return ConvertedAdapter(folder, self._report(lora))

    def _write(self, ref: AdapterRef, path: Path) -> Lora:
        lora = read_peft(ref.folder)
        if self._confirm is not None:
            self._confirm(ref)
        write_gguf_lora(lora, self._base.shape, path)
        return lora

    def _report(self, lora: Lora) -> LoadReport:
        matched = tuple(
            name.removeprefix("model.").removesuffix(".weight")
            for name in self._base.shape.names
            if name in lora.pairs
        )
        num_bytes = sum(pair.a.nbytes + pair.b.nbytes for pair in lora.pairs.values())
        return LoadReport(matched, num_bytes)
