"""The one shape that every data format is read into."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .errors import IN_TOOLS, Fault
from .wording import _

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `trained` matters for assistant turns alone: others are never trained on."""

    role: Role
    content: str
    trained: bool = True
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    tool_call_id: str | None = None
    name: str | None = None  # whose message it is; of a tool's answer, the tool

    @property
    def is_trained(self) -> bool:
        return self.role == "assistant" and self.trained


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order, and where they came from; with what people think of the last answer."""

    messages: tuple[Message, ...]
    source: str = "<memory>"
    line: int = 1
    tools: tuple[Mapping[str, Any], ...] = ()
    rejected: tuple[Message, ...] = ()  # liked less, in place of all from the first trained turn on
    is_good: bool | None = None  # None: nobody has judged it

    @property
    def first_trained(self) -> int:
        """The place of the first answer that is learned; there is one."""
        return next(i for i, each in enumerate(self.messages) if each.is_trained)

    @property
    def with_rejected(self) -> "Conversation":
        """The same with the answer that people like less."""
        before = self.messages[: self.first_trained]
        return replace(self, messages=(*before, *self.rejected), rejected=())

    @property
    def where(self) -> str:
        return f"{self.source}:{self.line}"


def good_ones(conversations: Iterable[Conversation]) -> list[Conversation]:
    """Those to learn, and to measure with: without answers that are judged bad."""
    return [each for each in conversations if each.is_good is not False]


Item = Conversation | Fault  # what reading gives, one by one


def as_template_sees(message: Message) -> dict[str, Any]:
    """The message as chat templates expect it."""
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [_with_object(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        fields["name"] = message.name
    return fields


def _with_object(call: Mapping[str, Any]) -> dict[str, Any]:
    """The call with its arguments as an object: templates would write JSON's text as a string."""
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return dict(call)
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except ValueError:
        return dict(call)
    return {**call, "function": {**function, "arguments": arguments}}


def texts_in(value: Any) -> Iterator[str]:
    """All texts of JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from texts_in(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from texts_in(each)


def change_texts(value: Any, change: Callable[[str], str]) -> Any:
    """JSON with all its texts changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): change_texts(each, change) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [change_texts(each, change) for each in value]
    return value


def with_texts(message: Message, change: Callable[[str], str]) -> Message:
    """The message with all its texts changed, those of its calls as templates see them."""
    seen = as_template_sees(message)
    return replace(
        message,
        content=change(message.content),
        name=change_texts(message.name, change),
        tool_call_id=change_texts(message.tool_call_id, change),
        tool_calls=tuple(change_texts(seen.get("tool_calls", []), change)),
    )


def places_of(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """What templates are given, part by part, with its place in words."""
    for number, message in enumerate(messages, start=1):
        yield _("turn {number}").format(number=number), as_template_sees(message)
    if tools:
        yield _(IN_TOOLS), tools
