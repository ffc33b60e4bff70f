"""Rows of JSON, JSONL, CSV and TSV in the shapes that data sets come in, made conversations."""

import csv
import io
import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .conversation import Conversation, Message, Role
from .errors import Fault, InvalidData

Fields = Mapping[str, Any]

SHAREGPT_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}
MESSAGE_KEYS: dict[Role, tuple[str, ...]] = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "weight", "tool_calls"),
    "tool": ("role", "content", "tool_call_id"),
}
# What may stand before a turn.
PREDECESSORS: dict[Role, tuple[str, ...]] = {
    "system": ("nothing",),
    "user": ("nothing", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant with tool_calls", "tool"),
}
# Bookkeeping of other people's data sets, of no use to training.
IGNORED_KEYS = frozenset({"id", "source", "category", "metadata"})

SURROGATE = re.compile(r"[\ud800-\udfff]")
JSON_GAP = re.compile(r"[\s,]*")


@dataclass(slots=True)
class _Row:
    """One row while it is read: where it stands, and what is wrong with it."""

    source: str
    line: int
    faults: list[Fault] = field(default_factory=list[Fault])

    def refuse(self, name: str, seen: str, expected: str) -> None:
        self.faults.append(Fault(self.source, self.line, name, seen, expected))

    def refuse_other_keys(self, fields: Fields, accepted: tuple[str, ...], at: str) -> None:
        for key in sorted(fields.keys() - set(accepted)):
            self.refuse(at[:-1], f"the key {key!r}", f"only the keys {', '.join(accepted)}")

    def take_text(
        self, fields: Fields, key: str, at: str = "", *, may_be_empty: bool = False
    ) -> str:
        value = fields.get(key, "")
        if not isinstance(value, str):
            self.refuse(f"{at}{key}", reprlib.repr(value), "a string")
            return ""
        if SURROGATE.search(value):
            self.refuse(f"{at}{key}", reprlib.repr(value), "no half of a surrogate pair")
        if not value.strip() and not may_be_empty:
            self.refuse(f"{at}{key}", "an empty turn", "text")
        return value.strip()

    def take_list(self, fields: Fields, key: str, item: type, at: str = "") -> list[Any]:
        value = fields.get(key, [])
        if isinstance(value, list) and all(isinstance(each, item) for each in value):
            return value
        kind = "objects" if item is dict else "[question, answer] pairs"
        self.refuse(f"{at}{key}", reprlib.repr(value), f"a list of {kind}")
        return []


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one kind of row, and how its messages are read."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Fields, _Row], list[Message]]


def read_jsonl(text: str, source: str) -> list[Conversation]:
    """One JSON object a line; raises InvalidData with every fault."""
    faults: list[Fault] = []
    rows: list[tuple[int, Any]] = []
    # Not splitlines: a JSON string may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append((number, DECODER.decode(line)))
            except (ValueError, RecursionError) as error:
                faults.append(Fault(source, number, "json", str(error), "one JSON object a line"))
    return _read_rows(rows, source, faults)


def read_json(text: str, source: str) -> list[Conversation]:
    """A JSON list of objects; raises InvalidData with every fault."""
    try:
        rows = list(_number_rows(text))
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        expected = "a JSON list of objects (one object a line belongs in a .jsonl file)"
        fault = Fault(source, line, "json", str(error), expected)
        raise InvalidData(f"{source}: this is not a JSON list", [fault]) from error
    return _read_rows(rows, source, [])


def read_csv(text: str, source: str, delimiter: str = ",") -> list[Conversation]:
    """A header of field names, then a conversation a row; raises InvalidData with every fault."""
    numbered = list(_number_cells(text, source, delimiter))
    header_line, header = numbered[0] if numbered else (1, [])
    names = [name.strip() for name in header]
    if _find_shape(names) is None or len(set(names)) < len(names):
        fault = Fault(source, header_line, "header", _show_keys(names), ACCEPTED)
        raise InvalidData(f"{source}: the header does not name the fields", [fault])
    faults: list[Fault] = []
    rows: list[tuple[int, Any]] = []
    for line, cells in numbered[1:]:
        if len(cells) == len(names):
            rows.append((line, dict(zip(names, cells, strict=True))))
        else:
            expected = f"{len(names)} cells as in the header"
            faults.append(Fault(source, line, "row", f"{len(cells)} cells", expected))
    return _read_rows(rows, source, faults)


def _build_object(pairs: list[tuple[str, Any]]) -> Fields:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(f"a key stands twice in one object, which has {_show_keys(fields)}")
    return fields


DECODER = json.JSONDecoder(object_pairs_hook=_build_object)


def _number_rows(text: str) -> Iterator[tuple[int, Any]]:
    """The items of a JSON list, each with the line it begins on."""
    rows = DECODER.decode(text)
    if not isinstance(rows, list):
        raise ValueError(f"the file holds {reprlib.repr(rows)}")
    line, end = 1, 0
    position = text.index("[") + 1
    for _ in rows:
        gap = JSON_GAP.match(text, position)
        position = gap.end() if gap else position
        line += text.count("\n", end, position)
        row, end = DECODER.raw_decode(text, position)
        yield line, row
        line += text.count("\n", position, end)
        position = end


def _number_cells(text: str, source: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold any text, each with the line it begins on."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        fault = Fault(source, line, "row", str(error), "cells quoted with matching double quotes")
        raise InvalidData(f"{source}: this is not well-formed CSV", [fault]) from error


def _read_rows(rows: list[tuple[int, Any]], source: str, faults: list[Fault]) -> list[Conversation]:
    conversations: list[Conversation] = []
    for line, value in rows:
        row = _Row(source, line)
        conversations.append(_read_row(value, row))
        faults += row.faults
    if not rows and not faults:
        faults.append(Fault(source, 1, "rows", "none", "at least one row"))
    if faults:
        faults.sort(key=lambda fault: fault.line)
        raise InvalidData(f"{source}: some rows are no conversations", faults)
    return conversations


def _read_row(value: Any, row: _Row) -> Conversation:
    fields = _drop_nulls(value) if isinstance(value, dict) else {}
    shape = _find_shape(fields)
    if shape is None:
        row.refuse("row", _show_keys(fields) if fields else reprlib.repr(value), ACCEPTED)
        return Conversation(())
    messages = shape.read(fields, row)
    if not row.faults:
        _check_order(messages, row)
    tools = tuple(row.take_list(fields, "tools", dict))
    return Conversation(tuple(messages), row.source, row.line, tools)


def _drop_nulls(fields: Fields) -> Fields:
    """Tables written by programs name every column in every row, and fill up with null."""
    return {key: value for key, value in fields.items() if value is not None}


def _check_order(messages: list[Message], row: _Row) -> None:
    before = "nothing"
    for number, message in enumerate(messages, start=1):
        accepted = PREDECESSORS[message.role]
        if before not in accepted:
            row.refuse(f"turn {number}", f"{message.role} after {before}", " or ".join(accepted))
        before = f"{message.role} with tool_calls" if message.tool_calls else message.role
    if not before.startswith("assistant"):
        row.refuse("last turn", before, "an assistant turn")


def _read_messages(fields: Fields, row: _Row) -> list[Message]:
    items = row.take_list(fields, "messages", dict)
    read = [_read_message(item, f"messages[{index}].", row) for index, item in enumerate(items)]
    return [message for message in read if message]


def _read_message(item: Fields, at: str, row: _Row) -> Message | None:
    item = _drop_nulls(item)
    role: Role | None = next((each for each in MESSAGE_KEYS if each == item.get("role")), None)
    if role is None:
        row.refuse(f"{at}role", reprlib.repr(item.get("role")), " or ".join(MESSAGE_KEYS))
        return None
    row.refuse_other_keys(item, MESSAGE_KEYS[role], at)
    weight = item.get("weight", 1)
    if weight not in (0, 1):
        row.refuse(f"{at}weight", reprlib.repr(weight), "0 or 1")
    calls = row.take_list(item, "tool_calls", dict, at)
    may_be_empty = bool(calls) or role == "tool"
    content = row.take_text(item, "content", at, may_be_empty=may_be_empty)
    call_id = row.take_text(item, "tool_call_id", at, may_be_empty=True) or None
    return Message(role, content, bool(weight), tuple(calls), call_id)


def _read_sharegpt(fields: Fields, row: _Row) -> list[Message]:
    messages = _read_system(fields, row)
    for index, item in enumerate(row.take_list(fields, "conversations", dict)):
        at = f"conversations[{index}]."
        row.refuse_other_keys(item, ("from", "value"), at)
        speaker = next((name for name in SHAREGPT_ROLES if name == item.get("from")), None)
        if speaker:
            messages.append(Message(SHAREGPT_ROLES[speaker], row.take_text(item, "value", at)))
        else:
            row.refuse(f"{at}from", reprlib.repr(item.get("from")), " or ".join(SHAREGPT_ROLES))
    return messages


def _read_pair(fields: Fields, row: _Row, question: str, answer: str) -> list[Message]:
    messages = _read_system(fields, row)
    for index, pair in enumerate(row.take_list(fields, "history", list)):
        at = f"history[{index}]."
        if len(pair) == 2:
            sides = {"question": pair[0], "answer": pair[1]}
            messages.append(Message("user", row.take_text(sides, "question", at)))
            messages.append(Message("assistant", row.take_text(sides, "answer", at)))
        else:
            row.refuse(at[:-1], reprlib.repr(pair), "[question, answer]")
    given = row.take_text(fields, "input", may_be_empty=True)
    asked = row.take_text(fields, question, may_be_empty=bool(given))
    messages.append(Message("user", f"{asked}\n{given}".strip()))
    messages.append(Message("assistant", row.take_text(fields, answer)))
    return messages


def _read_system(fields: Fields, row: _Row) -> list[Message]:
    system = row.take_text(fields, "system", may_be_empty=True)
    return [Message("system", system)] if system else []


def _pair_shape(question: str, answer: str, *optional: str) -> Shape:
    read = partial(_read_pair, question=question, answer=answer)
    return Shape((question, answer), (*optional, "history", "system"), read)


SHAPES = (
    Shape(("messages",), ("tools",), _read_messages),
    Shape(("conversations",), ("system",), _read_sharegpt),
    _pair_shape("instruction", "output", "input"),
    _pair_shape("prompt", "completion"),
    _pair_shape("question", "answer"),
    _pair_shape("query", "response"),
)
ACCEPTED = "the keys " + "; or ".join(
    f"{', '.join(shape.required)} (and if you like {', '.join(shape.optional)})" for shape in SHAPES
)


def _find_shape(keys: Iterable[str]) -> Shape | None:
    names = set(keys) - IGNORED_KEYS
    return next(
        (s for s in SHAPES if names >= {*s.required} and names <= {*s.required, *s.optional}), None
    )


def _show_keys(keys: Iterable[str]) -> str:
    return f"the keys {', '.join(map(reprlib.repr, keys))}"
