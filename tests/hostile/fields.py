"""Fields of the wrong type, out of range, or bombs in the right one."""

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.wire import QUESTION, Hostile, chat

WRONG: dict[str, list[Any]] = {
    "model": [None, 1, [], {}, True],
    "messages": [None, "Hi", {}, [], [None], ["Hi"], [[]], [{}], [{"role": "user"}]],
    "stream": ["true", 1, []],
    "stream_options": [True, [], {"include_usage": True}],
    "lora": ["tcm", {}, [1], [{"id": 0}], [{}], [{"name": "tcm", "scale": "x"}]],
    "max_tokens": ["1", 0, -2, 1.5, True, [], 2**64, 10**30],
    "max_completion_tokens": ["1", 0, -2, 1.5, 2**64],
    "temperature": ["1", -0.1, 2.1, True, [], 1e308],
    "top_p": ["1", -0.1, 1.1],
    "top_k": ["1", -2, 1.5],
    "min_p": ["0", -0.1, 1.1],
    "repetition_penalty": ["1", 0, -1, 11],
    "presence_penalty": ["1", -2.1, 2.1],
    "frequency_penalty": ["1", -2.1, 2.1],
    "seed": ["1", 1.5, 2**63, -(2**63) - 1, [], 10**400],
    "stop": [1, [1], [""], "", ["a"] * 5, ["a"] * 100_000, {}, [["a"]], ["\ud800"]],
    "ignore_eos": ["x", 1],
    "n": ["1", 0, -1, 129, 10**9, 1.5],
    "logprobs": ["x", 5],
    "top_logprobs": [1, -1, 21, "1"],
    "logit_bias": [
        [],
        "x",
        {"x": 1},
        {"-1": 1},
        {"1": "x"},
        {"1": 101},
        {"1": -1e308},
        {"٣": 1},
        {"999999999": 1},
        {"9" * 5_000: 1},
        {str(token): 1 for token in range(0, 200_000_000, 2_000)},
    ],
    "response_format": ["json", 1, {}, {"type": "xml"}, {"type": "json_schema"}],
    "tools": ["x", 1, [{"type": "rocket"}]],
    "functions": [[{"name": "x"}]],
}
MESSAGES: dict[str, Any] = {
    "unknown role": {"role": "root", "content": "Hi"},
    "role of a wrong type": {"role": ["user"], "content": "Hi"},
    "content number": {"role": "user", "content": 1},
    "content null": {"role": "user", "content": None},
    "content object": {"role": "user", "content": {"text": "Hi"}},
    "part without type": {"role": "user", "content": [{"text": "Hi"}]},
    "part without text": {"role": "user", "content": [{"type": "text"}]},
    "picture": {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
    "picture in a file": {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}],
    },
    "sound": {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
    "assistant last": {"role": "assistant", "content": "Hi"},
    "surrogate": {"role": "user", "content": "\ud83d"},
}


def fields() -> Iterator[Hostile]:
    for field, values in WRONG.items():
        for value in values:
            shown = json.dumps(value)[:40]
            yield Hostile(f"{field} is {shown}", chat(**{field: value}))
    for kind, message in MESSAGES.items():
        yield Hostile(f"message: {kind}", chat(messages=[message]))
    yield Hostile("message after a right one", chat(messages=[*QUESTION, {"role": "x"}]))
    for kind, schema in _schemas().items():
        yield Hostile(f"schema: {kind}", chat(response_format=as_format(schema)))


def as_format(schema: Any) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def _schemas() -> dict[str, Any]:
    return {
        "of no object": [],
        "null": None,
        "unknown type": {"type": "rocket"},
        "reference to a file": {"$ref": "file:///etc/passwd"},
        "reference to the net": {"$ref": "http://169.254.169.254/latest/meta-data"},
        "reference to nothing": {"$ref": "#/$defs/nobody"},
        "reference to itself": {"$ref": "#"},
        "references in a ring": {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        },
        "nothing fits": {"type": "string", "enum": []},
        "broken pattern": {"type": "string", "pattern": "(((("},
        "backwards pattern": {"type": "string", "pattern": r"(a)\1"},
        "huge length": {"type": "string", "minLength": 10**12},
        "huge enum": {"enum": [f"{'x' * 100}{index}" for index in range(60_000)]},
        "wrong properties": {"type": "object", "properties": 5},
        "wrong required": {"type": "object", "required": "x"},
        "deep": _nested(400),
        "wide": {
            "type": "object",
            "properties": {
                f"k{n}": {"type": "string", "pattern": "(a|b)*c"} for n in range(20_000)
            },
            "required": [f"k{n}" for n in range(20_000)],
            "additionalProperties": False,
        },
    }


def patient_schemas() -> dict[str, Any]:
    """Bombs for other readers, which the grammar takes as it goes: no answer may be slow."""
    return {
        "catastrophic pattern": {"type": "string", "pattern": "^(a|a?)+$"},
        "nested repetition": {"type": "string", "pattern": "(" * 60 + "a" + "{1,1000})" * 60},
        "huge repetition": {"type": "string", "pattern": "a{1000000000}"},
        "huge array": {"type": "array", "items": {"type": "integer"}, "minItems": 10**9},
    }


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "rocket"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema
