"""OpenAI's shapes: what chat and text completions are both asked."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from service.http.fields import Fields, Text, as_list, only, only_with
from serving.adapters.notation import MAX_SCALE

from .foreign_fields import check_foreign

MAX_DIGITS = 9  # of a token id
MAX_CHOICES = 128
NO_LIMIT = -1  # in local clients: as many tokens as there is room for


def _as_name(name: object) -> object:
    if isinstance(name, int):
        raise PydanticCustomError(
            "adapter_number",
            "should be an adapter's name: adapters have names here, not numbers, as in {example}",
            {"example": '[{"name": "tcm", "scale": 0.7}]'},
        )
    return name


def _by_token_id(biases: dict[str, float]) -> dict[str, float]:
    for key in biases:
        if not (key.isascii() and key.isdigit() and len(key) <= MAX_DIGITS):
            raise PydanticCustomError(
                "token_id",
                "should have token ids as its keys, not {key}",
                {"key": repr(key)},
            )
    return biases


def _zero_if_off(top_k: int | None) -> int | None:
    """vLLM's clients say -1 where others say 0."""
    return 0 if top_k == -1 else top_k


def _positive_or_no_limit(limit: int | None) -> int | None:
    if limit is not None and limit < 1 and limit != NO_LIMIT:
        raise PydanticKnownError("greater_than_equal", {"ge": 1})
    return limit


TokenLimit = Annotated[int | None, AfterValidator(_positive_or_no_limit)]


class StreamOptions(Fields):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # padding against onlookers; TLS is the means here


class LoraChoice(Fields):
    """One adapter in llama-server's `lora` field."""

    model_config = ConfigDict(extra="forbid")  # a weight by another name would be a scale of 1

    name: Annotated[Text, BeforeValidator(_as_name)] = Field(
        validation_alias=AliasChoices("name", "id"), pattern=r"^[^:+<>]+$"
    )
    scale: float = Field(default=1.0, ge=-MAX_SCALE, le=MAX_SCALE)
    path: Text | None = None  # of an entry as /lora-adapters lists it


class GenerationRequest(Fields):
    model: Text
    stream: bool | None = None
    stream_options: Annotated[StreamOptions | None, only_with("stream")] = None
    lora: list[LoraChoice] | None = None
    user: Text | None = None

    max_tokens: TokenLimit = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: Annotated[int | None, AfterValidator(_zero_if_off)] = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: (
        Annotated[
            list[Annotated[Text, Field(min_length=1)]],
            BeforeValidator(as_list),
            Field(max_length=4),
        ]
        | None
    ) = None
    ignore_eos: bool | None = None
    # vLLM's, whose clients count on them.
    min_tokens: Annotated[int | None, only(None, 0)] = None
    stop_token_ids: Annotated[object, only(None, [])] = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    logit_bias: (
        Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], AfterValidator(_by_token_id)]
        | None
    ) = None

    @model_validator(mode="before")
    @classmethod
    def _without_foreign_fields(cls, sent: Any) -> Any:
        check_foreign(sent, cls.model_fields)
        return sent

    @property
    def loras(self) -> list[tuple[str, float]]:
        """The adapters' names and scales."""
        return [(each.name, each.scale) for each in self.lora or ()]

    @property
    def asked_limit(self) -> int | None:
        return self.max_tokens

    @property
    def token_limit(self) -> int | None:
        return None if self.has_no_limit else self.asked_limit

    @property
    def has_no_limit(self) -> bool:
        """Whether an answer may be as long as there is room for, whatever the defaults are."""
        return self.asked_limit == NO_LIMIT

    @property
    def adapters_field(self) -> str:
        """The field that says which model is meant."""
        return "lora" if self.lora else "model"

    @property
    def limit_field(self) -> str:
        return "max_tokens"

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def num_choices(self) -> int:
        return self.n or 1

    @property
    def num_alternatives(self) -> int | None:
        """How many likely tokens are to be told with each; None: no log probabilities at all."""
        return None

    @property
    def json_schema(self) -> str | None:
        """The schema of the answer, as JSON; None where it may be any text."""
        return None

    @property
    def biases(self) -> tuple[tuple[int, float], ...]:
        named = {int(token_id): bias for token_id, bias in (self.logit_bias or {}).items()}
        return tuple(named.items())
