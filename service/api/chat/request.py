"""OpenAI's shapes: what a chat is asked."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from service.api.generation_request import GenerationRequest, TokenLimit
from service.http.fields import Metadata, Text, only, only_with

from .forced_calls import calls_schema
from .message import Messages
from .prompt import Continued, goes_on
from .response_format import ResponseFormat
from .tool_request import Choice, Tool, ToolChoice, Tools

TO_TOOLS = "use tools"

Form = TypeVar("Form", ToolChoice | None, ResponseFormat | None)


def _same_limit(limit: int | None, info: ValidationInfo) -> int | None:
    other = info.data.get("max_tokens")
    if limit is not None and other is not None and limit != other:
        raise PydanticCustomError(
            "same_limit",
            "should be max_tokens' own {other}, or one of both",
            {"other": other},
        )
    return limit


def _without_free_calls(
    asked: ResponseFormat | None, info: ValidationInfo
) -> ResponseFormat | None:
    choice = info.data.get("tool_choice")
    is_free = choice is None or choice.type == "auto"
    if asked is not None and asked.is_forced and info.data.get("tools") and is_free:
        raise PydanticCustomError(
            "response_format",
            "An answer of this format could call no tool: leave tools out, or say in tool_choice "
            "whether one is to be called (none or required)",
        )
    return asked


def _of_a_whole_answer(form: Form, info: ValidationInfo) -> Form:
    messages = info.data.get("messages")
    ending = info.data.get("add_generation_prompt"), info.data.get("continue_final_message")
    if form is not None and form.is_forced and messages and goes_on(messages[-1].role, *ending):
        raise PydanticCustomError(
            "continued",
            "An answer that continues the last message cannot be held to a form: end with a "
            "question",
        )
    return form


class ChatRequest(GenerationRequest):
    messages: Messages
    add_generation_prompt: bool | None = None
    continue_final_message: Continued = None
    echo: Annotated[Any, only(None, False)] = None
    max_completion_tokens: Annotated[TokenLimit, AfterValidator(_same_limit)] = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, only_with("logprobs")] = Field(default=None, ge=0, le=20)

    tools: Tools = None
    tool_choice: Annotated[Choice, AfterValidator(_of_a_whole_answer)] = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[
        ResponseFormat | None,
        AfterValidator(_without_free_calls),
        AfterValidator(_of_a_whole_answer),
    ] = None
    functions: Annotated[Any, only(None, [], advice=TO_TOOLS)] = None
    function_call: Annotated[Any, only(None, "none", "auto", advice=TO_TOOLS)] = None

    metadata: Metadata | None = None
    prompt_cache_key: Text | None = None
    safety_identifier: Text | None = None
    store: bool | None = None
    service_tier: Annotated[Any, only(None, "auto", "default")] = None
    reasoning_effort: Annotated[Any, only(None, "none")] = None
    verbosity: Annotated[Any, only(None, "medium")] = None
    prediction: Annotated[Any, only(None)] = None
    moderation: Annotated[Any, only(None)] = None
    web_search_options: Annotated[Any, only(None)] = None
    modalities: Annotated[Any, only(None, ["text"])] = None
    audio: Annotated[Any, only(None)] = None

    @property
    def limit_field(self) -> str:
        return "max_tokens" if self.max_completion_tokens is None else "max_completion_tokens"

    @property
    def asked_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def first_said(self) -> str:
        """What a conversation begins with: the same in all requests of one."""
        users = (each.text for each in self.messages if each.role == "user")
        return next(users, "")

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
        return None if self.response_format is None else self.response_format.schema_text
