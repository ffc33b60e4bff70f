"""OpenAI's shapes: what chat and text completions are both asked."""

from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from service.http.fields import Shape, Text, as_list, only, only_with
from serving.adapters.notation import MAX_SCALE

MAX_DIGITS = 9  # of a token id
MAX_CHOICES = 128
SCHEMA_ADVICE = "response_format takes a JSON schema"


def _as_name(name: object) -> object:
    if isinstance(name, int):
        raise PydanticCustomError(
            "adapter_number",
            "Input should be an adapter's name: adapters have names here, not numbers, "
            "as in {example}",
            {"example": '[{"name": "tcm", "scale": 0.7}]'},
        )
    return name


def _by_token_id(biases: dict[str, float]) -> dict[str, float]:
    for key in biases:
        if not (key.isascii() and key.isdigit() and len(key) <= MAX_DIGITS):
            raise PydanticCustomError(
                "token_id",
                "Input should have token ids as its keys, not {key}",
                {"key": repr(key)},
            )
    return biases


def _zero_if_off(top_k: int | None) -> int | None:
    """vLLM's clients say -1 where others say 0."""
    return 0 if top_k == -1 else top_k


class StreamOptions(Shape):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # padding against onlookers; TLS is the means here


class LoraChoice(Shape):
    """One adapter in llama-server's `lora` field."""

    name: Annotated[Text, BeforeValidator(_as_name)] = Field(
        validation_alias=AliasChoices("name", "id"), pattern=r"^[^:+<>]+$"
    )
    scale: float = Field(default=1.0, ge=-MAX_SCALE, le=MAX_SCALE)


class GenerationRequest(Shape):
    model: Text
    stream: bool | None = None
    stream_options: Annotated[StreamOptions | None, only_with("stream")] = None
    lora: list[LoraChoice] | None = None
    user: Text | None = None

    max_tokens: int | None = Field(default=None, ge=1)
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
    guided_json: Annotated[object, only(None, advice=SCHEMA_ADVICE)] = None
    guided_regex: Annotated[object, only(None, advice=SCHEMA_ADVICE)] = None
    guided_choice: Annotated[object, only(None, advice=SCHEMA_ADVICE)] = None
    guided_grammar: Annotated[object, only(None, advice=SCHEMA_ADVICE)] = None
    structured_outputs: Annotated[object, only(None, advice=SCHEMA_ADVICE)] = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    logit_bias: (
        Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], AfterValidator(_by_token_id)]
        | None
    ) = None

    @property
    def token_limit(self) -> int | None:
        return self.max_tokens

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
