"""How models write tool calls into their answers: each chat template has a format of its own."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Never
from uuid import uuid4

from service.api.protocol import CalledFunction


@dataclass(frozen=True, slots=True)
class CallFormat:
    """Marks around JSON objects with the name and the arguments of a call.

    A mark that is a special token does not come with the text: then the beginning shows a call.
    """

    opening: str
    closing: str | None = None  # None: the calls end with the answer
    beginnings: tuple[str, ...] = ()  # of an answer that is a call without the mark; no blanks
    id_length: int | None = None  # what the template takes; None: any


HERMES = CallFormat("<tool_call>", "</tool_call>")
MISTRAL = CallFormat("[TOOL_CALLS]", beginnings=('[{"name"', '[{"arguments"'), id_length=9)
LLAMA = CallFormat("<|python_tag|>", beginnings=('{"name"', '{"type":"function"'))
# Newer templates of the same families, which write no JSON objects between the same marks.
OTHERS = ("<function=", "<arg_key>", "[ARGS]")


def format_of(template: str) -> CallFormat | None:
    """The format that a chat template teaches; None where it is not known here."""
    if any(mark in template for mark in OTHERS):
        return None
    for known in (HERMES, MISTRAL, LLAMA):
        if known.opening in template:
            return known
    # Llama 3.2's: the mark is gone, the instruction has stayed.
    is_taught = '{"name": function name, "parameters":' in template.replace("\\", "")
    return LLAMA if is_taught else None


def new_call_id(known: CallFormat | None) -> str:
    name = uuid4().hex
    return name[: known.id_length] if known and known.id_length else f"call_{name[:24]}"


def read_calls(text: str, names: Collection[str]) -> list[CalledFunction] | None:
    """The calls in a text of JSON objects, or lists of them; None if it is anything else."""
    try:
        calls = [_read_call(value, names) for value in _json_values(text)]
    except (ValueError, RecursionError):
        return None
    known = [call for call in calls if call is not None]
    return known if known and len(known) == len(calls) else None


def _json_values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_constant=_refuse)
    at = 0
    while at < len(text):
        if text[at].isspace() or text[at] == ";":  # Llama's between two calls
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield from value if isinstance(value, list) else [value]


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")


def _read_call(value: Any, names: Collection[str]) -> CalledFunction | None:
    if not isinstance(value, dict):
        return None
    call = value["function"] if isinstance(value.get("function"), dict) else value
    name = call.get("name")
    arguments = call.get("arguments", call.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = json.loads(arguments or "{}")
    if not isinstance(name, str) or name not in names or not isinstance(arguments, dict):
        return None
    return CalledFunction(name=name, arguments=json.dumps(arguments, ensure_ascii=False))
