"""The chat models that are known to fit: what they are, where that was read, what nobody tried."""

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from .shape import Shape

FILE = "catalogue.yaml"
NOT_TRIED = "not tried"


class Sources(BaseModel):
    """Where was read what a row says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: str  # of config.json, or of a copy of it
    licence: str


class KnownBase(BaseModel):
    """A row; catalogue.yaml says what each field means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub_id: str
    short_name: str | None = None
    stated: str = Field(pattern=r"^\d+(\.\d+)?[MB]$")
    shape: Shape
    context_length: int = Field(gt=0)  # [tokens]
    licence: str
    is_free: bool
    is_gated: bool
    languages: tuple[Literal["zh", "en"], ...]
    thinks_first: bool = False  # writes its thoughts before an answer
    tokenizer: str
    tried: str
    sources: Sources

    @property
    def spec(self) -> str:
        """What `--base` takes."""
        return self.short_name or self.hub_id

    @property
    def name(self) -> str:
        return self.hub_id.rpartition("/")[2]

    @property
    def is_open(self) -> bool:
        """Whether anybody can have it at once, use it for anything, and gets answers alone."""
        return self.is_free and not self.is_gated and not self.thinks_first

    @property
    def speaks_chinese(self) -> bool:
        return "zh" in self.languages


class Catalogue(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    spelling: dict[str, float | None]  # tokens for a character of Chinese, by tokenizer
    bases: tuple[KnownBase, ...]

    def spelling_of(self, base: KnownBase) -> float | None:
        return self.spelling[base.tokenizer]

    def chinese_like(self, shape: Shape) -> KnownBase:
        """The open base that speaks Chinese and is as large as this one, or the next larger one;
        the largest where none is."""
        known = sorted(
            (each for each in self.bases if each.speaks_chinese and each.is_open),
            key=lambda base: base.shape.num_parameters,
        )
        wanted = 0.9 * shape.num_parameters
        return next((each for each in known if each.shape.num_parameters >= wanted), known[-1])


@cache
def read_catalogue() -> Catalogue:
    text = (files("finetune.bases") / FILE).read_text(encoding="utf-8")
    return Catalogue.model_validate(yaml.safe_load(text))
