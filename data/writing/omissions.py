"""What a chat template has left out of what it was given: nothing may be lost without a word."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from data.conversation import Message
from data.errors import TemplateError, ToolsLeftOut
from data.wording import _


def check_messages(text: str, messages: Sequence[Message]) -> None:
    """Raises TemplateError where a system message or a tool's answer is not in the text."""
    if any(m.role == "system" and m.content.strip() not in text for m in messages):
        told = _(
            "the chat template leaves out a system message. Give one alone, at the beginning, and "
            "a question after it."
        )
        raise TemplateError(told)
    if any(m.role == "tool" and not _holds(text, m.content.strip()) for m in messages):
        told = _(
            "the chat template leaves out a tool's answer. Choose a base whose template writes "
            "them, or tell the answer in a message of the user's."
        )
        raise TemplateError(told)


def check_tools(text: str, bare: str, tools: Sequence[Mapping[str, Any]]) -> None:
    """Raises ToolsLeftOut for tools that are not in the text; `bare` is the text without tools."""
    # The name of a tool may be a word of the conversation too.
    lost = [name for name in map(_tool_name, tools) if text.count(name) <= bare.count(name)]
    if lost:
        told = _(
            "the chat template leaves out the tools {tools}. Choose a base whose template writes "
            "tools, or give none."
        )
        raise ToolsLeftOut(told.format(tools=", ".join(lost)))


def _holds(text: str, content: str) -> bool:
    """Whether a text holds a content as it is, or as JSON writes it inside a string."""
    return content in text or json.dumps(content, ensure_ascii=False)[1:-1] in text


def _tool_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get("function")
    return str((inner if isinstance(inner, Mapping) else tool).get("name") or "without a name")
