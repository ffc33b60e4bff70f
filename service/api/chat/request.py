"""OpenAI's shapes: what a chat is asked."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from service.api.generation_request import GenerationRequest
from service.http.fields import Shape, Text, only, only_with

from .forced_calls import calls_schema
from .message import ChatMessage, Messages
from .tool_request import Choice, Tool, Tools

ANY_OBJECT = '{"type": "object"}'
TO_TOOLS = "use tools"
MAX_PAIRS = 16  # of metadata


class JsonSchema(Shape):
    name: Text
    definition: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None  # schemas are always enforced


def _needed(schema: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
    if schema is None and info.data.get("type") == "json_schema":
        raise PydanticCustomError("json_schema", "Field required for the type json_schema")
    return schema


class ResponseFormat(Shape):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Annotated[JsonSchema | None, AfterValidator(_needed)] = Field(
        default=None, validate_default=True
    )


def _end_with_question(messages: list[ChatMessage]) -> list[ChatMessage]:
    if messages[-1].role == "assistant":
        raise PydanticCustomError("last_message", "The last message should not be the assistant's")
    return messages


def _same_limit(limit: int | None, info: ValidationInfo) -> int | None:
    other = info.data.get("max_tokens")
    if limit is not None and other is not None and limit != other:
        raise PydanticCustomError(
            "same_limit",
            "Input should be max_tokens' own {other}, or one of both",
            {"other": other},
        )
    return limit


def _without_free_calls(
    asked: ResponseFormat | None, info: ValidationInfo
) -> ResponseFormat | None:
    choice = info.data.get("tool_choice")
    is_free = choice is None or choice.type == "auto"
    if asked is not None and asked.type != "text" and info.data.get("tools") and is_free:
        raise PydanticCustomError(
            "response_format",
            "An answer of this format could call no tool: leave tools out, or say in tool_choice "
            "whether one is to be called (none or required)",
        )
    return asked


class ChatRequest(GenerationRequest):
    messages: Annotated[Messages, AfterValidator(_end_with_question)]
    max_completion_tokens: Annotated[int | None, AfterValidator(_same_limit)] = Field(
        default=None, ge=1
    )
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, only_with("logprobs")] = Field(default=None, ge=0, le=20)

    tools: Tools = None
    tool_choice: Choice = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[ResponseFormat | None, AfterValidator(_without_free_calls)] = None
    functions: Annotated[Any, only(None, [], advice=TO_TOOLS)] = None
    function_call: Annotated[Any, only(None, "none", "auto", advice=TO_TOOLS)] = None

    metadata: (
        Annotated[
            dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]],
            Field(max_length=MAX_PAIRS),
        ]
        | None
    ) = None
    prompt_cache_key: Text | None = None
    safety_identifier: Text | None = None
    store: Annotated[Any, only(None, False)] = None
    service_tier: Annotated[Any, only(None, "auto", "default")] = None
    reasoning_effort: Annotated[Any, only(None, "none")] = None
    verbosity: Annotated[Any, only(None, "medium")] = None
    prediction: Annotated[Any, only(None)] = None
    moderation: Annotated[Any, only(None)] = None
    web_search_options: Annotated[Any, only(None)] = None
    modalities: Annotated[Any, only(None, ["text"])] = None
    audio: Annotated[Any, only(None)] = None

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def num_alternatives(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def offered_tools(self) -> tuple[Tool, ...]:
        """Those that the model is told of: none where none may be called."""
        is_off = self.tool_choice is not None and self.tool_choice.type == "none"
        return () if is_off else tuple(self.tools or ())

    @property
    def may_call_several(self) -> bool:
        return self.parallel_tool_calls is not False

    @property
    def forces_calls(self) -> bool:
        return self.tool_choice is not None and self.tool_choice.is_forced

    @property
    def json_schema(self) -> str | None:
        if self.tool_choice is not None and self.tool_choice.is_forced:
            return calls_schema(self.offered_tools, self.tool_choice, self.may_call_several)
        asked = self.response_format
        if asked is None or asked.type == "text":
            return None
        if asked.type == "json_object" or asked.json_schema is None:
            return ANY_OBJECT
        return json.dumps(asked.json_schema.definition)
