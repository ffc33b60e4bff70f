"""`lora-chat.json`: what an adapter was made from and what a server applies for it."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import AdapterInvalid
from .fingerprint import Fingerprint

CARD_FILE = "lora-chat.json"
TEMPLATE_FILE = "chat_template.jinja"


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
    num_shortened: int = 0
    num_replayed: int = 0  # of older data, trained on again


class AdapterCard(BaseModel):
    """Everything known of an adapter version. Written once, beside its weights."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = 1
    name: str
    base: BaseIdentity
    chat_template_sha256: str
    preamble: str = ""  # what the template itself puts before the first user turn
    system: str | None = None
    sampling: SamplingDefaults = SamplingDefaults()
    disclaimer: str | None = None
    data: DataSummary
    config: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    versions: dict[str, str] = {}
    created: datetime

    def write(self, folder: Path) -> None:
        (folder / CARD_FILE).write_text(self.model_dump_json(indent=2), encoding="utf-8")


def read_card(folder: Path) -> AdapterCard | None:
    """The adapter's card, or None for a bare PEFT folder. Raises AdapterInvalid if unreadable."""
    path = folder / CARD_FILE
    if not path.is_file():
        return None
    try:
        return AdapterCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise AdapterInvalid(f"{path} is damaged: {error}") from error
