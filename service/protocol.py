"""OpenAI's shapes: what a client sends and what it gets.

Unknown fields are let through, because clients send many. Known fields that ask for something
this server cannot do yet are refused by name.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from serving.engine import FinishReason
from serving.notation import MAX_SCALE

UNSUPPORTED = "unsupported_parameter"


def _only(*values: object) -> AfterValidator:
    """Accept the values that ask for nothing special, refuse every other."""

    def check(value: object, info: ValidationInfo) -> object:
        if value not in values:
            raise PydanticCustomError(
                UNSUPPORTED, "{name} is not supported here yet", {"name": info.field_name}
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
    stream_options: StreamOptions | None = None
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

    n: Annotated[Any, _only(None, 1)] = None
    tools: Annotated[Any, _only(None, [])] = None
    tool_choice: Annotated[Any, _only(None, "none", "auto")] = None
    functions: Annotated[Any, _only(None, [])] = None
    function_call: Annotated[Any, _only(None, "none", "auto")] = None
    response_format: Annotated[Any, _only(None, {"type": "text"})] = None
    logprobs: Annotated[Any, _only(None, False)] = None
    top_logprobs: Annotated[Any, _only(None, 0)] = None
    logit_bias: Annotated[Any, _only(None, {})] = None
    modalities: Annotated[Any, _only(None, ["text"])] = None
    audio: Annotated[Any, _only(None)] = None

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True

    @model_validator(mode="after")
    def _stream_for_its_options(self) -> "ChatRequest":
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError("stream_options", "stream_options needs stream to be true")
        return self


class PromptTokensDetails(BaseModel):
    cached_tokens: int


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class AnswerMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None


class Choice(BaseModel):
    index: int
    message: AnswerMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(BaseModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage


# Chunks are written with `exclude_unset`: what is in a delta, and whether `usage` is there at all,
# carries meaning. So they have no defaults that must be seen.


class ChunkDelta(BaseModel):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    index: int
    delta: ChunkDelta
    logprobs: None
    finish_reason: FinishReason | None


class ChatChunk(BaseModel):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["lora-chat"] = "lora-chat"
    parent: str | None = None
    version: str | None = None  # None for the base and for blends


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    model: str
    version: str
    running: int
    waiting: int


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    error: ErrorDetail
