"""OpenAI's shapes: what a client gets."""

from typing import Literal

from pydantic import BaseModel

from serving.engine import FinishReason


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
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason | None


class ChatChunk(BaseModel):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


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


class ModelDeleted(BaseModel):
    id: str
    object: Literal["model"] = "model"
    deleted: Literal[True] = True


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(BaseModel):
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


class Readiness(BaseModel):
    status: Literal["ready"] = "ready"


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    error: ErrorDetail
