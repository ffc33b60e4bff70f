"""An answer that was kept: what was asked, who answered, and with which settings."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """One completion of a chat, with all of its choices."""

    id: str  # the completion's
    key_id: str  # whose it is; "": nobody's key's
    place: str  # the home whose versions answered
    created: int  # [Unix seconds]
    model: str  # as asked for
    pinned: str  # the exact versions that answered
    base: str
    template: str  # SHA-256 of the chat template, in hex
    user: str | None  # whom the client answered, as it calls them
    messages: list[dict[str, Any]]  # in OpenAI's shape
    asked: dict[str, Any]  # tools, tool_choice, response_format, where they were given
    sampling: dict[str, Any]  # as it was done: the adapter's defaults are in it
    choices: list[dict[str, Any]]  # in OpenAI's shape
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, str] | None = None
