"""Adapters for llama.cpp and what is built on it: a GGUF adapter, a merged GGUF model, Ollama."""

import logging
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from data.free_space import check_space
from data.wording import _
from finetune.adapters.files import README_FILE, TEMPLATE_FILE
from finetune.adapters.gguf import Lora, read_peft, write_gguf_lora
from finetune.adapters.trained_base import check_base, named_base
from finetune.adapters.version import AdapterVersion
from finetune.bases.base import Base
from finetune.bases.gguf_base import GgufBase, find_any_base, shape_of
from finetune.bases.gguf_shape import GgufShape
from finetune.errors import ExportRefused
from finetune.whole_folder import whole_folder

from .gguf_merge import merge_gguf

logger = logging.getLogger(__name__)

ADAPTER_FILE, MODEL_FILE, MODELFILE = "adapter.gguf", "model.gguf", "Modelfile"
BASE_FILE, BASE_FOLDER = "base.gguf", "base"  # of an export for Ollama
QUOTES = '"""'
PARAMETERS = {  # ours to Ollama's
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "max_tokens": "num_predict",
}


@dataclass(frozen=True, slots=True)
class GgufExport:
    """Everything that such a folder is made from."""

    version: AdapterVersion
    base: Base | GgufBase
    shape: GgufShape
    lora: Lora

    @classmethod
    def prepare(cls, version: AdapterVersion, spec: str | None, home: Path) -> "GgufExport":
        """Raises AdapterInvalid, BaseMismatch, BaseNotFound or BaseUnusable."""
        version.check_whole()
        base = find_any_base(spec or named_base(version), home)
        check_base(version, base)
        return cls(version, base, shape_of(base), read_peft(version.folder))

    def adapter(self, out: Path) -> None:
        """The adapter alone, for `llama-server --lora`. Raises ExportRefused, BaseMismatch."""
        with whole_folder(out) as folder:
            self._write_adapter(folder)
            self._write_readme(
                folder,
                f"A GGUF LoRA adapter for {self.base.id}, made by lora-chat from {self.version}:",
                f"```bash\nllama-server --model BASE.gguf --lora {ADAPTER_FILE}\n```",
            )

    def merged(self, out: Path) -> None:
        """A whole model. Raises NoRoom, and ExportRefused where the base is no GGUF file."""
        base = self.base
        if not isinstance(base, GgufBase):
            told = _(
                "{base} is no GGUF file. Make one with llama.cpp's convert_hf_to_gguf.py and give "
                "it with --base; or export --to merged, which keeps the base's own form."
            )
            raise ExportRefused(told.format(base=base.id))
        most = sum(2 * math.prod(tensor.shape) for tensor in base.gguf.tensors.values())
        check_space(most, out, _("The merged model"), _("choose another disk with --out"))
        with whole_folder(out) as folder:
            told = _("Merging {adapter} into {base} …")
            logger.info("%s", told.format(adapter=self.version, base=base.path.name))
            merge_gguf(self.lora, base, folder / MODEL_FILE)
            self._write_template(folder)
            self._write_readme(
                folder,
                f"{base.id} with the LoRA adapter {self.version} merged into its weights by "
                "lora-chat; what the adapter changes is in F16, the rest as in the base.",
                f"```bash\nllama-server --model {MODEL_FILE}{self._template_option}\n```",
            )

    def ollama(self, out: Path) -> None:
        """A GGUF adapter, its base and a Modelfile: all that Ollama needs, on any machine.

        Raises ExportRefused, NoRoom, BaseMismatch.
        """
        source = self.base.path if isinstance(self.base, GgufBase) else self.base.folder
        advice = _("choose another disk with --out")
        check_space(_size(source), out, _("The base's copy"), advice)
        with whole_folder(out) as folder:
            self._write_adapter(folder)
            (folder / MODELFILE).write_text(self._modelfile(), encoding="utf-8")
            logger.info("%s", _("Copying {base} …").format(base=self.base.id))
            if source.is_dir():
                shutil.copytree(source, folder / BASE_FOLDER)
            else:
                shutil.copyfile(source, folder / BASE_FILE)
            self._write_readme(
                folder,
                f"{self.version} for Ollama, made by lora-chat:",
                f"```bash\nollama create {self.version.name} -f {MODELFILE}\n"
                f"ollama run {self.version.name}\n```",
                "Ollama writes the conversation by its base's template. The adapter's own, "
                f"where it has one, is {TEMPLATE_FILE} in Jinja, which a Modelfile cannot hold.",
            )

    def _write_adapter(self, folder: Path) -> None:
        write_gguf_lora(self.lora, self.shape, folder / ADAPTER_FILE)
        self._write_template(folder)

    def _write_template(self, folder: Path) -> None:
        if self.version.template is not None:
            shutil.copyfile(self.version.folder / TEMPLATE_FILE, folder / TEMPLATE_FILE)

    @property
    def _template_option(self) -> str:
        has_own = self.version.template is not None
        return f" --jinja --chat-template-file {TEMPLATE_FILE}" if has_own else ""

    def _write_readme(self, folder: Path, *paragraphs: str) -> None:
        notes: list[str] = []
        if self.version.disclaimer:
            notes.append(f"> {self.version.disclaimer}")
        if self.version.system:
            notes.append(f"It was trained with this system message: {self.version.system}")
        parts = [f"# {self.version.name}", *notes, *paragraphs]
        (folder / README_FILE).write_text("\n\n".join(parts) + "\n", encoding="utf-8")

    def _modelfile(self) -> str:
        source = BASE_FILE if isinstance(self.base, GgufBase) else BASE_FOLDER
        lines = [
            f"# {self.base.id}, on which the adapter was trained; another copy of it will do.",
            f"FROM ./{source}",
            f"ADAPTER ./{ADAPTER_FILE}",
        ]
        given = self.version.sampling.model_dump(exclude_none=True)
        lines += [f"PARAMETER {PARAMETERS[key]} {value}" for key, value in given.items()]
        lines += [f"# {line}" for line in (self.version.disclaimer or "").splitlines()]
        lines += [f'PARAMETER stop "{text}"' for text in self._end_texts()]
        if self.version.system:
            if QUOTES in self.version.system:
                told = _("The adapter's system message holds {quotes}, which ends it.")
                raise ExportRefused(told.format(quotes=QUOTES))
            lines.append(f"SYSTEM {QUOTES}{self.version.system}{QUOTES}")
        return "\n".join(lines) + "\n"

    def _end_texts(self) -> list[str]:
        """What ends an answer by the adapter's template."""
        renderer = self.version.renderer(self.base.tokenizer)
        texts = [self.base.tokenizer.decode([token_id]) for token_id in renderer.end_ids]
        return [text for text in texts if text.isprintable() and '"' not in text]


def _size(source: Path) -> int:
    files = source.rglob("*") if source.is_dir() else [source]
    return sum(path.stat().st_size for path in files if path.is_file())
