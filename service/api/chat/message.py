"""OpenAI's shapes: the messages of a chat."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from data.conversation import Message
from service.http.fields import UNSUPPORTED, Fields, Text, only

Part = Literal["text"]


def _as_parts(content: object) -> object:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if content is not None and not isinstance(content, list):
        raise PydanticCustomError("content", "should be a string or a list of text parts")
    return content


def _not_legacy(role: object) -> object:
    if role == "function":
        raise PydanticCustomError(UNSUPPORTED, "Only the role tool tells what a function answered")
    return role


def _as_object(arguments: str) -> str:
    """A call without arguments has an empty text at some places."""
    try:
        are_named = isinstance(json.loads(arguments or "{}"), dict)
    except (ValueError, RecursionError):
        are_named = False
    if not are_named:
        raise PydanticCustomError("arguments", "should be a JSON object, written as a string")
    return arguments


class TextPart(Fields):
    type: Annotated[Any, only("text")]
    text: Text


class CalledFunction(Fields):
    name: Text
    arguments: Annotated[Text, AfterValidator(_as_object)]


class CalledTool(Fields):
    id: Text
    type: Annotated[Any, only("function")] = "function"
    function: CalledFunction


def _of_assistant(calls: list[CalledTool] | None, info: ValidationInfo) -> list[CalledTool] | None:
    if calls and info.data.get("role", "assistant") != "assistant":
        raise PydanticCustomError("tool_calls", "Only the assistant's messages have tool calls")
    return calls


def _given_or_calls(content: list[TextPart] | None, info: ValidationInfo) -> list[TextPart] | None:
    is_read = {"role", "tool_calls"} <= info.data.keys()  # else a fault above says enough
    if content is None and is_read and not info.data["tool_calls"]:
        raise PydanticCustomError(
            "content",
            "should be a string or a list of text parts; only an assistant's message with "
            "tool_calls may have none",
        )
    return content


def _of_tool(call_id: str | None, info: ValidationInfo) -> str | None:
    if call_id is None and info.data.get("role") == "tool":
        raise PydanticCustomError("tool_call_id", "is missing, and a tool's message needs it")
    return call_id


class ChatMessage(Fields):
    role: Annotated[
        Literal["system", "developer", "user", "assistant", "tool"], BeforeValidator(_not_legacy)
    ]
    tool_calls: Annotated[list[CalledTool] | None, AfterValidator(_of_assistant)] = None
    content: Annotated[
        list[TextPart] | None, BeforeValidator(_as_parts), AfterValidator(_given_or_calls)
    ] = Field(default=None, validate_default=True)
    tool_call_id: Annotated[Text | None, AfterValidator(_of_tool)] = Field(
        default=None, validate_default=True
    )
    name: Text | None = None
    function_call: Annotated[Any, only(None, advice="use tool_calls")] = None
    audio: Annotated[Any, only(None)] = None

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content or ())

    @property
    def as_sent(self) -> dict[str, Any]:
        """The message in OpenAI's shape, its text in one piece."""
        sent = self.model_dump(exclude_none=True)
        return sent | {"content": None if self.content is None else self.text}


def _answer_known_calls(messages: list[ChatMessage]) -> list[ChatMessage]:
    known: set[str] = set()
    for index, message in enumerate(messages):
        known.update(call.id for call in message.tool_calls or ())
        if message.tool_call_id is not None and message.tool_call_id not in known:
            raise PydanticCustomError(
                "tool_call_id",
                "No call before message {index} has its tool_call_id {call_id}",
                {"index": index, "call_id": repr(message.tool_call_id)[:60]},
            )
    return messages


Messages = Annotated[list[ChatMessage], Field(min_length=1), AfterValidator(_answer_known_calls)]


def conversation_of(messages: Sequence[ChatMessage], system: str | None) -> list[Message]:
    """The messages as templates are given them; `system` stands first if they have none."""
    names = {
        call.id: call.function.name for message in messages for call in message.tool_calls or ()
    }
    said = [_message(message, names) for message in messages]
    if system is not None and all(message.role != "system" for message in said):
        return [Message("system", system), *said]
    return said


def _message(message: ChatMessage, names: dict[str, str]) -> Message:
    return Message(
        "system" if message.role == "developer" else message.role,
        message.text,
        tool_calls=tuple(call.model_dump() for call in message.tool_calls or ()),
        tool_call_id=message.tool_call_id,
        # Templates that name the tool beside its answer would not find the name otherwise.
        name=message.name or names.get(message.tool_call_id or ""),
    )
