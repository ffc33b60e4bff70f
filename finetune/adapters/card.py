"""`lora-chat.json`: what an adapter was made from and what a server applies for it."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.wording import _
from finetune.bases.fingerprint import Fingerprint
from finetune.errors import AdapterInvalid, BaseMismatch
from finetune.wrong_values import told

from .files import CARD_FILE, PEFT_FILES, TEMPLATE_FILE

BASE_LOSS, ADAPTER_LOSS = "held_out_loss_base", "held_out_loss_adapter"  # among the metrics
TRAINING_PRECISION_LOSS = "held_out_loss_training_precision"
BEST_STEP = "best_step"  # after which its weights were as they are


class SamplingDefaults(BaseModel):
    """Sampling that a server uses where a request says nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    max_tokens: int | None = Field(default=None, ge=1)


class BaseIdentity(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    fingerprint: Fingerprint


class DataSummary(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sha256: str
    num_conversations: int
    num_trained: int
    num_held_out: int
    held_out_source: str | None = None  # the file that they are from, if not from the same
    num_inherited: int = 0  # of them, those that an adapter before it held out
    num_shortened: int = 0
    num_replayed: int = 0  # of older data, trained on again
    num_mixed_in: int = 0  # everyday ones, trained on too


class Imported(BaseModel):
    """Where an adapter came from that was trained elsewhere."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str  # the name of a folder or file
    named_base: str | None = None  # what its configuration calls its base
    notes: tuple[str, ...] = ()  # what was chosen and changed
    added_tokens: tuple[str, ...] = ()  # of its tokenizer, which the base lacks


class AdapterCard(BaseModel):
    """Everything known of an adapter version. Written once, beside its weights."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = 1
    name: str
    base: BaseIdentity
    chat_template_sha256: str  # empty: it brings none
    preamble: str = ""  # what the template itself puts before the first user turn
    system: str | None = None
    sampling: SamplingDefaults = SamplingDefaults()
    disclaimer: str | None = None
    data: DataSummary | None = None  # of an imported one
    imported: Imported | None = None
    config: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    versions: dict[str, str] = {}
    created: datetime
    run: str = ""  # the id of the training run that made it
    held_out: tuple[str, ...] = ()  # identities of what measures it and all that go on from it
    sha256: dict[str, str] = {}  # of PEFT's two files, by name; `write` fills it in

    @property
    def base_spec(self) -> str:
        """What --base was given; the base's id may be only the last part of a path."""
        return str(self.config.get("base", self.base.id))

    @property
    def losses(self) -> tuple[float, float] | None:
        """The losses of its base and of itself on what it held out; None: it was not measured."""
        if BASE_LOSS not in self.metrics:
            return None
        return self.metrics[BASE_LOSS], self.metrics[ADAPTER_LOSS]

    def check_base(self, adapter: object, fingerprint: Fingerprint, called: str) -> None:
        """Raises BaseMismatch for another base than the adapter's own."""
        if differences := self.base.fingerprint.differences(fingerprint):
            trained = _(
                "was trained on {own!r}, not on {base}: {differences}. Give its own base with "
                "--base {own}."
            )
            imported = _(
                "was imported for {own!r}, not for {base}: {differences}. Give its own base with "
                "--base {own}."
            )
            listed = _("; ").join(differences)
            told = imported if self.imported else trained
            problem = told.format(own=self.base.id, base=called, differences=listed)
            raise BaseMismatch(problem, adapter)

    def write(self, folder: Path) -> "AdapterCard":
        """Write the card beside the weights, which it vouches for from now on."""
        card = self.model_copy(update={"sha256": _hash_files(folder)})
        (folder / CARD_FILE).write_text(card.model_dump_json(indent=2), encoding="utf-8")
        return card

    def changed_files(self, folder: Path) -> list[str]:
        """Those of the files it vouches for that are missing or not what they were."""
        now = _hash_files(folder)
        return [name for name, sha256 in self.sha256.items() if now.get(name) != sha256]


def read_card(folder: Path) -> AdapterCard | None:
    """The adapter's card, or None for a bare PEFT folder. Raises AdapterInvalid if unreadable."""
    path = folder / CARD_FILE
    if not path.is_file():
        return None
    try:
        return AdapterCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = _("is damaged: {error}").format(error=told(error))
        raise AdapterInvalid.in_file(path, problem) from error


def write_import_card(
    folder: Path, name: str, base: BaseIdentity, imported: Imported, spec: str
) -> AdapterCard:
    """Let a bare folder remember the base that it was found to belong to, or was accepted for.

    `spec` is what --base has to be given to find it.
    """
    template = folder / TEMPLATE_FILE
    sha256 = hashlib.sha256(template.read_bytes()).hexdigest() if template.is_file() else ""
    card = AdapterCard(
        name=name,
        base=base,
        chat_template_sha256=sha256,
        imported=imported,
        config={"base": spec},
        created=datetime.now(UTC),
    )
    return card.write(folder)


def _hash_files(folder: Path) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for name in PEFT_FILES:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
