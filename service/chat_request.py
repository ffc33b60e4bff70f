"""OpenAI's shapes: what a client sends.

Unknown fields are let through, because clients send many. Known fields that ask for something
this server cannot do yet are refused by name.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from serving.notation import MAX_SCALE

UNSUPPORTED = "unsupported_parameter"
ANY_OBJECT = '{"type": "object"}'
MAX_DIGITS = 9  # of a token id


def _only(*values: object) -> AfterValidator:
    """Accept the values that ask for nothing special, refuse every other."""

    def check(value: object, info: ValidationInfo) -> object:
        if value not in values:
            raise PydanticCustomError(
                UNSUPPORTED, "{name} is not supported here yet", {"name": info.field_name}
            )
        return value

    return AfterValidator(check)


def _only_with(switch: str) -> AfterValidator:
    """Refuse a field that means something only where the field `switch`, above it, is true."""

    def check(value: object, info: ValidationInfo) -> object:
        if value and not info.data.get(switch):
            raise PydanticCustomError(
                "only_with", "Input should be left out unless {switch} is true", {"switch": switch}
            )
        return value

    return AfterValidator(check)


def _whole(text: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("surrogate", "Input should not hold half a surrogate pair")
    return text


def _as_parts(content: object) -> object:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise PydanticCustomError("content", "Input should be a string or a list of text parts")
    return content


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


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


Text = Annotated[str, AfterValidator(_whole)]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class TextPart(_Request):
    type: Annotated[Any, _only("text")]
    text: Text


class ChatMessage(_Request):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[TextPart], BeforeValidator(_as_parts)]
    tool_calls: Annotated[Any, _only(None, [])] = None

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content)


class StreamOptions(_Request):
    include_usage: bool | None = None


class JsonSchema(_Request):
    name: Text
    definition: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None  # schemas are always enforced


def _needed(schema: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
    if schema is None and info.data.get("type") == "json_schema":
        raise PydanticCustomError("json_schema", "Field required for the type json_schema")
    return schema


class ResponseFormat(_Request):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Annotated[JsonSchema | None, AfterValidator(_needed)] = Field(
        default=None, validate_default=True
    )


class LoraChoice(_Request):
    """One adapter in llama-server's `lora` field."""

    name: Annotated[Text, BeforeValidator(_as_name)] = Field(
        validation_alias=AliasChoices("name", "id"), pattern=r"^[^:+<>]+$"
    )
    scale: float = Field(default=1.0, ge=-MAX_SCALE, le=MAX_SCALE)


def _end_with_question(messages: list[ChatMessage]) -> list[ChatMessage]:
    if messages[-1].role == "assistant":
        raise PydanticCustomError("last_message", "The last message should not be the assistant's")
    return messages


class ChatRequest(_Request):
    model: Text
    messages: Annotated[list[ChatMessage], Field(min_length=1), AfterValidator(_end_with_question)]
    stream: bool | None = None
    stream_options: Annotated[StreamOptions | None, _only_with("stream")] = None
    lora: list[LoraChoice] | None = None

    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: (
        Annotated[
            list[Annotated[Text, Field(min_length=1)]],
            BeforeValidator(_as_list),
            Field(max_length=4),
        ]
        | None
    ) = None
    ignore_eos: bool | None = None

    n: int | None = Field(default=None, ge=1, le=128)
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, _only_with("logprobs")] = Field(default=None, ge=0, le=20)
    logit_bias: (
        Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], AfterValidator(_by_token_id)]
        | None
    ) = None
    response_format: ResponseFormat | None = None

    tools: Annotated[Any, _only(None, [])] = None
    tool_choice: Annotated[Any, _only(None, "none", "auto")] = None
    functions: Annotated[Any, _only(None, [])] = None
    function_call: Annotated[Any, _only(None, "none", "auto")] = None
    modalities: Annotated[Any, _only(None, ["text"])] = None
    audio: Annotated[Any, _only(None)] = None

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def num_choices(self) -> int:
        return self.n or 1

    @property
    def num_alternatives(self) -> int | None:
        """How many likely tokens are to be told with each; None: no log probabilities at all."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def biases(self) -> tuple[tuple[int, float], ...]:
        named = {int(token_id): bias for token_id, bias in (self.logit_bias or {}).items()}
        return tuple(named.items())

    @property
    def json_schema(self) -> str | None:
        """The schema of the answer, as JSON; None where it may be any text."""
        asked = self.response_format
        if asked is None or asked.type == "text":
            return None
        if asked.type == "json_object" or asked.json_schema is None:
            return ANY_OBJECT
        return json.dumps(asked.json_schema.definition)
