"""One version of an adapter: where it lies, and what its files say."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.chat import ChatRenderer, Tokenizer
from data.wording import _
from data.writing.plain_marks import OnMarks
from finetune.errors import AdapterInvalid

from .card import AdapterCard, SamplingDefaults, read_card
from .files import TEMPLATE_FILE, WEIGHTS_FILE
from .header import Shape, read_shapes
from .lora import LoraSettings, read_lora


@dataclass(frozen=True)
class AdapterVersion:
    """One version as it lies there, whole or damaged.

    What its files say is read once, when it is asked for, and raises AdapterInvalid where they
    are damaged or of a kind that cannot share a base.
    """

    name: str
    number: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    @cached_property
    def card(self) -> AdapterCard | None:
        """None: a bare PEFT folder."""
        return read_card(self.folder)

    @cached_property
    def settings(self) -> LoraSettings:
        return read_lora(self.folder)

    @cached_property
    def template(self) -> str | None:
        """The chat template that it was trained with; None: its base's."""
        path = self.folder / TEMPLATE_FILE
        try:
            return path.read_text(encoding="utf-8") if path.is_file() else None
        except UnicodeDecodeError as error:
            raise AdapterInvalid.in_file(path, "is no text in UTF-8.") from error

    @property
    def system(self) -> str | None:
        """The system message that a conversation begins with where it brings none."""
        return self.card.system if self.card else None

    @property
    def sampling(self) -> SamplingDefaults:
        return self.card.sampling if self.card else SamplingDefaults()

    @property
    def disclaimer(self) -> str | None:
        return self.card.disclaimer if self.card else None

    @cached_property
    def _status(self) -> os.stat_result:
        return (self.folder / WEIGHTS_FILE).stat()

    @property
    def created(self) -> int:
        """Unix seconds."""
        return int(self.card.created.timestamp() if self.card else self._status.st_mtime)

    @property
    def num_bytes(self) -> int:
        """The size of its weights in bytes."""
        return self._status.st_size

    def read(self) -> "AdapterVersion":
        """The same with all of this read, while its files are as they are. Raises OSError, too."""
        _read = self.settings, self.card, self.template, self._status
        return self

    def shapes(self) -> dict[str, Shape]:
        """The shapes of its tensors, by their names."""
        return read_shapes(self.folder / WEIGHTS_FILE)

    def renderer(self, tokenizer: Tokenizer) -> ChatRenderer:
        """What writes its prompts as in training. Raises TemplateError where nothing can."""
        marks: OnMarks = self.card.config.get("plain_marks", "refuse") if self.card else "refuse"
        return ChatRenderer(tokenizer, self.template, marks)

    def check_whole(self) -> None:
        """Raises AdapterInvalid where its files are not what was written, too."""
        card = self.read().card
        if card and (changed := card.changed_files(self.folder)):
            told = _(
                "{files} of {adapter} changed after the training wrote it. `lora-chat adapters "
                "verify {adapter}` says more."
            )
            raise AdapterInvalid(told.format(files=", ".join(changed), adapter=self))
