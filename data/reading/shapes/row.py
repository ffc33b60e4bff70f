"""One row while it is read: what its fields hold, and what is wrong with them."""

import ast
import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.conversation import Message
from data.errors import Fault
from data.wording import N_, _

Fields = Mapping[str, Any]
FORMAT, EMPTY = N_("format"), N_("an empty turn")  # kinds of faults


@dataclass(frozen=True, slots=True)
class Remark:
    """What many rows may show, and is said once of a file; `shown` is one of them."""

    kind: str
    shown: str


@dataclass(slots=True)
class Row:
    """Where it stands, its faults so far, and what is remarkable about it."""

    source: str
    line: int
    faults: list[Fault] = field(default_factory=list[Fault])
    remarks: list[Remark] = field(default_factory=list[Remark])
    rejected: list[Message] = field(default_factory=list[Message])  # liked less than its answer
    is_good: bool | None = None  # what people say of its answer,
    judged_by: str = ""  # in the field of this name

    def refuse(self, name: str, seen: str, expected: str) -> None:
        kind = EMPTY if seen == _(EMPTY) else FORMAT
        where = self.source, self.line, name
        self.faults.append(Fault(*where, seen, expected, kind=kind, is_of_one=True))

    def take_text(
        self, fields: Fields, key: str, at: str = "", *, may_be_empty: bool = False
    ) -> str:
        value = fields.get(key, "")
        text = value if isinstance(value, str) else _as_text(value)
        if text is None:
            self.refuse(f"{at}{key}", reprlib.repr(value), _("a string"))
            return ""
        text = text.strip()
        if not text and not may_be_empty:
            self.refuse(f"{at}{key}", _(EMPTY), _("text"))
        return text

    def take_objects(self, fields: Fields, key: str, at: str = "") -> list[dict[str, Any]]:
        value = read_cell(fields.get(key, []))
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        self.refuse(f"{at}{key}", reprlib.repr(value), _("a list of objects"))
        return []


def is_filled(value: Any) -> bool:
    return value not in (None, "", [], {})


def drop_nulls(fields: Fields) -> Fields:
    """Tables written by programs name every column in every row, and fill up with null."""
    if None not in fields.values():
        return fields
    return {key: value for key, value in fields.items() if value is not None}


def read_cell(value: Any) -> Any:
    """What a table's cell holds as JSON, or as Python prints it; any other text as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return []
    if text[0] not in "[{":
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


def _as_text(value: Any) -> str | None:
    """Numbers and booleans as JSON writes them; None of anything else."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return None
