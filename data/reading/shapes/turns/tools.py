"""Tools, calls of them and their answers, in the form of OpenAI's."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from data.conversation import Message
from data.reading.shapes.names import FUNCTIONS, TOOLS
from data.reading.shapes.row import Fields, Row, is_filled, read_cell
from data.wording import _

KEYS = (TOOLS, FUNCTIONS)  # OpenAI's newer name and its older one
CALL = '{"name": "f", "arguments": {}}'


def take_tools(fields: Fields, row: Row) -> tuple[Mapping[str, Any], ...]:
    """Whole, as a list or its JSON; ShareGPT's have no frame around the function."""
    key = next((key for key in KEYS if is_filled(fields.get(key))), None)
    return tuple(map(_framed, row.take_objects(fields, key))) if key else ()


def take_calls(value: Any, at: str, row: Row) -> tuple[Mapping[str, Any], ...]:
    """Take the calls of a turn that is nothing but calls, or of OpenAI's older `function_call`."""
    given = read_cell(value)
    calls: list[Any] = given if isinstance(given, list) else [given]
    if not calls or not all(_is_call(call) for call in calls):
        expected = _("a call such as {call}, or a list of them").format(call=CALL)
        row.refuse(at, reprlib.repr(value), expected)
        return ()
    return tuple({"type": "function", "function": _function(call)} for call in calls)


def answer_calls(messages: Sequence[Message]) -> list[Message]:
    """Each answer of a tool with the id and the name of its call; both in order, where the data
    has no ids. An id has the nine characters that Mistral's templates ask for."""
    answered: list[Message] = []
    names: dict[str, str | None] = {}
    open_ids: list[str] = []
    for message in messages:
        if message.tool_calls:
            calls = [
                {"id": f"call{len(names) + n:05d}", **c}
                for n, c in enumerate(message.tool_calls, 1)
            ]
            names |= {str(call["id"]): _name_of(call) for call in calls}
            open_ids = [str(call["id"]) for call in calls]
            message = replace(message, tool_calls=tuple(calls))
        elif message.role == "tool":
            call_id = message.tool_call_id or (open_ids.pop(0) if open_ids else None)
            name = message.name or names.get(call_id or "")
            message = replace(message, tool_call_id=call_id, name=name)
        answered.append(message)
    return answered


def _is_call(call: Any) -> bool:
    return isinstance(call, dict) and isinstance(call.get("name"), str)


def _function(call: dict[str, Any]) -> dict[str, str]:
    arguments = call.get("arguments", call.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"name": call["name"], "arguments": text}


def _framed(tool: dict[str, Any]) -> dict[str, Any]:
    is_bare = "function" not in tool and isinstance(tool.get("name"), str)
    return {"type": "function", "function": tool} if is_bare else tool


def _name_of(call: Mapping[str, Any]) -> str | None:
    function = call.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
