"""The JSON schema of an answer that must be a tool call, with any model and any template."""

import json
from collections.abc import Sequence
from typing import Any

from .tool_request import Tool, ToolChoice

MAX_CALLS = 16  # in one answer; a model that likes lists would go on for ever
DEFINITIONS = "$defs"
REFERENCE = "$ref"


def calls_schema(tools: Sequence[Tool], choice: ToolChoice, several: bool) -> str:
    """A named function's arguments alone; else one call of any tool, or a list of calls."""
    if choice.function is not None:
        named = (tool for tool in tools if tool.function.name == choice.function.name)
        return json.dumps(_parameters(next(named)))
    definitions = {
        str(index): _moved(_parameters(tool), f"#/{DEFINITIONS}/{index}")
        for index, tool in enumerate(tools)
    }
    calls = [_call_schema(tool, str(index)) for index, tool in enumerate(tools)]
    schema: dict[str, Any] = {"anyOf": calls}
    if several:
        schema = {"type": "array", "minItems": 1, "maxItems": MAX_CALLS, "items": schema}
    return json.dumps({**schema, DEFINITIONS: definitions})


def _call_schema(tool: Tool, definition: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"const": tool.function.name},
            "arguments": {REFERENCE: f"#/{DEFINITIONS}/{definition}"},
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _parameters(tool: Tool) -> dict[str, Any]:
    """The schema of a function's arguments; one without parameters takes none, as at OpenAI."""
    given = tool.function.parameters
    if given is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "object", **given}


def _moved(schema: Any, place: str) -> Any:
    """The schema as it reads at another place: its references begin there."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: place + value[1:] if _is_local(key, value) else _moved(value, place)
        for key, value in schema.items()
    }


def _is_local(key: str, value: Any) -> bool:
    return key == REFERENCE and isinstance(value, str) and value.startswith("#")
