"""One row while it is read: what its fields hold, and what is wrong with them."""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.errors import Fault

Fields = Mapping[str, Any]


@dataclass(slots=True)
class Row:
    """Where it stands, and its faults so far."""

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
        if not value.strip() and not may_be_empty:
            self.refuse(f"{at}{key}", "an empty turn", "text")
        return value.strip()

    def take_list(self, fields: Fields, key: str, item: type, at: str = "") -> list[Any]:
        value = fields.get(key, [])
        if isinstance(value, str):  # a table's cell
            value = _parse_cell(value)
        if isinstance(value, list) and all(isinstance(each, item) for each in value):
            return value
        kind = "objects" if item is dict else "[question, answer] pairs"
        self.refuse(f"{at}{key}", reprlib.repr(value), f"a list of {kind}")
        return []


def _parse_cell(value: str) -> Any:
    try:
        return json.loads(value) if value.strip() else []
    except (ValueError, RecursionError):
        return value
