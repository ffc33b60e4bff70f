"""The one shape that every data format is read into."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import Fault

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `trained` matters for assistant turns alone: others are never trained on."""

    role: Role
    content: str
    trained: bool = True
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    tool_call_id: str | None = None

    @property
    def is_trained(self) -> bool:
        return self.role == "assistant" and self.trained


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order, and where they came from."""

    messages: tuple[Message, ...]
    source: str = "<memory>"
    line: int = 1
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def where(self) -> str:
        return f"{self.source}:{self.line}"


Item = Conversation | Fault  # what reading gives, one by one
