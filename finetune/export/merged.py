"""Adapters as other programs take them: the PEFT folder, or merged into the base."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.chat import ChatRenderer
from data.free_space import check_space
from data.wording import _
from finetune.adapters.card import SamplingDefaults
from finetune.adapters.files import FILES, README_FILE
from finetune.adapters.trained_base import check_base
from finetune.adapters.version import AdapterVersion
from finetune.bases.base import Base
from finetune.bases.fingerprint import weight_files
from finetune.whole_folder import whole_folder

from .drift import Drift, measure_drift
from .merge import merge_weights
from .yardstick import Yardstick, find_yardstick

logger = logging.getLogger(__name__)

GENERATION_FILE = "generation_config.json"
SAMPLING = frozenset({"temperature", "top_p", "top_k", "min_p"})


def export_peft(version: AdapterVersion, out: Path) -> None:
    """Copy what moves with an adapter. Raises AdapterInvalid or ExportRefused."""
    version.check_whole()
    with whole_folder(out) as folder:
        for name in FILES:
            if (version.folder / name).is_file():
                shutil.copyfile(version.folder / name, folder / name)


@dataclass(frozen=True, slots=True)
class Merge:
    """Everything that a merged model is made from."""

    version: AdapterVersion
    base: Base
    renderer: ChatRenderer
    yardstick: Yardstick

    @classmethod
    def prepare(cls, version: AdapterVersion, base: Base, data: Path | None, home: Path) -> "Merge":
        """Raises AdapterInvalid, BaseMismatch or DataError."""
        version.check_whole()
        check_base(version, base)
        renderer = version.renderer(base.tokenizer)
        yardstick = find_yardstick(version, renderer, data, home / "runs")
        return cls(version, base, renderer, yardstick)

    def export(self, out: Path) -> Drift:
        """Write the merged model, load it again and measure it.

        Raises ExportRefused, NoRoom and others.
        """
        weights = weight_files(self.base.folder)
        needed = sum((self.base.folder / name).stat().st_size for name in weights)
        check_space(needed, out, _("The merged model"), _("choose another disk with --out"))
        with whole_folder(out) as folder:
            told = _("Merging {adapter} into {base} …")
            logger.info("%s", told.format(adapter=self.version, base=self.base.id))
            dtype = merge_weights(self.base.folder, self.version.folder, folder)
            self._write_config(folder, dtype)
            self._write_generation_config(folder)
            self._write_tokenizer(folder)
            drift = measure_drift(
                self.base,
                self.version.folder,
                folder,
                self.yardstick,
                was_trained_in_4_bits=self._was_trained_in_4_bits,
            )
            (folder / README_FILE).write_text(self._readme(drift, dtype), encoding="utf-8")
        return drift

    @property
    def _was_trained_in_4_bits(self) -> bool:
        card = self.version.card
        return card is not None and card.config.get("quantize") == "nf4"

    def _write_config(self, folder: Path, dtype: str) -> None:
        config = dict(self.base.config)
        names = [name for name in ("dtype", "torch_dtype") if name in config] or ["dtype"]
        config |= dict.fromkeys(names, dtype)
        _write_json(folder / "config.json", config)

    def _write_generation_config(self, folder: Path) -> None:
        """The base's, but ending where the template ends, and with the adapter's sampling."""
        path = self.base.folder / GENERATION_FILE
        config: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        if self.renderer.end_ids:
            config["eos_token_id"] = list(self.renderer.end_ids)
        _write_json(folder / GENERATION_FILE, with_sampling(config, self.version.sampling))

    def _write_tokenizer(self, folder: Path) -> None:
        tokenizer = Base(self.base.id, self.base.folder).tokenizer  # not the one that others hold
        tokenizer.chat_template = self.renderer.template
        tokenizer.save_pretrained(folder)

    def _readme(self, drift: Drift, dtype: str) -> str:
        rows = "\n".join(f"| {name} | {loss:.4f} |" for name, loss in drift.losses.items())
        head = f"library_name: transformers\nbase_model: {self.base.id}\ntags: [lora-chat]"
        parts = [
            f"---\n{head}\n---\n# {self.version.name}",
            *self._what_to_know(),
            f"{self.base.id} with the LoRA adapter {self.version} merged into its weights, in "
            f"{dtype}, by lora-chat. The chat template is the one that it was trained with.",
            drift.words,
            f"| model | answer loss |\n| --- | ---: |\n{rows}",
            f"In nats per answer token, on {drift.measured_on}. The 16-bit models were computed in "
            f"{drift.precision}.",
        ]
        return "\n\n".join(parts) + "\n"

    def _what_to_know(self) -> Iterator[str]:
        if self.version.disclaimer:
            yield f"> {self.version.disclaimer}"
        if self.version.system:
            yield f"Send it the system message that it was trained with: {self.version.system}"


def with_sampling(config: dict[str, Any], sampling: SamplingDefaults) -> dict[str, Any]:
    """What a server would use where a request says nothing, in transformers' words."""
    values = sampling.model_dump(exclude_none=True)
    if "max_tokens" in values:
        values["max_new_tokens"] = values.pop("max_tokens")
    merged = {**config, **values}
    if values.get("temperature") == 0:  # transformers has another word for that
        return {k: v for k, v in merged.items() if k not in SAMPLING} | {"do_sample": False}
    if not SAMPLING.isdisjoint(values):
        merged["do_sample"] = True
    return merged


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
