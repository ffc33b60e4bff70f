"""OpenAI's shapes: what a client gets."""

from collections.abc import Sequence
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, Field

from serving.engine import FinishReason, ServerState

EndReason = FinishReason | Literal["tool_calls"]
Chunk = dict[str, Any]  # of a stream; models would cost more than all else done for a token


def _is_none(value: object) -> bool:
    return value is None


def absent() -> Any:
    """A field that is not there at all where it has no value."""
    return Field(default=None, exclude_if=_is_none)


class Listed(BaseModel):
    """What a list has pages of."""

    id: str


ListedType = TypeVar("ListedType", bound=Listed)


class Page(BaseModel, Generic[ListedType]):
    """A part of a list whose next part comes behind the id of its last one."""

    object: Literal["list"] = "list"
    data: list[ListedType]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, listed: Sequence[ListedType], limit: int) -> Self:
        """A page of `limit` at most; `listed` are one more, or all that follow."""
        data = [*listed[:limit]]
        ids = [each.id for each in data] or [None]
        return cls(data=data, first_id=ids[0], last_id=ids[-1], has_more=len(listed) > limit)


class PromptTokensDetails(BaseModel):
    cached_tokens: int


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class CalledFunction(BaseModel):
    name: str
    arguments: str  # a JSON object


class ToolCall(BaseModel):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AnswerMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = absent()


class LogprobToken(BaseModel):
    token: str  # what is no text alone is written as bytes:\\xe4\\xb8
    logprob: float
    bytes: list[int] | None  # None for special tokens, which are no text


class AnswerToken(LogprobToken):
    top_logprobs: list[LogprobToken]


class ChoiceLogprobs(BaseModel):
    content: list[AnswerToken]
    refusal: None


class Choice(BaseModel):
    index: int
    message: AnswerMessage
    logprobs: ChoiceLogprobs | None = None
    finish_reason: EndReason


class ChatCompletion(BaseModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
    disclaimer: str | None = absent()  # of the adapters that answered


class TextLogprobs(BaseModel):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]  # the token itself included
    text_offset: list[int]  # [characters] from the beginning of the text


class TextChoice(BaseModel):
    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: FinishReason | None


class TextCompletion(BaseModel):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: Usage
    disclaimer: str | None = absent()


class TokenizedText(BaseModel):
    count: int
    max_model_len: int  # [tokens] that prompt and answer may have together
    tokens: list[int]


class DetokenizedText(BaseModel):
    prompt: str


class TrainedOn(BaseModel):
    base: str
    data: str  # the file's name, without its folder
    num_conversations: int


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["lora-chat"] = "lora-chat"
    parent: str | None = None
    version: str | None = None  # None for the base and for blends
    max_model_len: int  # [tokens] of prompt and answer
    trained_on: TrainedOn | None = None  # None where nobody knows, and for blends
    disclaimer: str | None = None
    checkpoint_of: str | None = absent()  # the fine-tuning job that goes on


class ModelDeleted(BaseModel):
    id: str
    object: Literal["model"] = "model"
    deleted: Literal[True] = True


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(BaseModel):
    service: Literal["lora-chat"] = "lora-chat"  # by which `lora-chat chat` knows it
    status: Literal["ok"] = "ok"
    model: str
    version: str
    running: int
    waiting: int
    resident_adapters: int
    resident_bytes: int
    blocks: int  # of the KV cache, 16 tokens each
    free_blocks: int
    prompt_tokens: int  # of all requests so far
    cached_tokens: int  # of them, those that had been computed before
    preemptions: int
    compiled: bool
    compiling: bool  # slower code answers until then
    engine: str  # which one computes
    precision: str  # of the base's weights
    kernel: str  # that computes their products; "": none of our own
    threads: int  # that compute a step
    cores_elsewhere: float  # that other programs use; the engine leaves them their share
    servers: dict[ServerState, int]  # that compute for it, by how they are; none for other engines


class Readiness(BaseModel):
    status: Literal["ready"] = "ready"
