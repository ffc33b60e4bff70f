"""JSON with its places: values decoded one by one, each with the line that it begins on."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data.errors import Fault
from data.reading.rows import Numbered
from data.reading.shapes import show_keys
from data.wording import _

GAP = re.compile(r"[\s,:]*")
BROKEN = (ValueError, RecursionError)  # what decoding raises


def each_value(text: str) -> Iterator[Numbered]:
    """Values one behind the other, over as many lines as each takes. Raises BROKEN."""
    yield from _numbered(text, 0, None)


def each_item(text: str, path: Sequence[str], num_items: int) -> Iterator[Numbered]:
    """The items of the list that lies at the end of the keys, from the outermost object on."""
    yield from _numbered(text, find(text, path) + 1, num_items)


def each_entry(text: str, path: Sequence[str]) -> Iterator[tuple[int, str, Any]]:
    """The line, the key and the value of each entry of an object."""
    line, end = 1, 0
    for key, position in _keys(text, find(text, path)):
        value, after = DECODER.raw_decode(text, position)
        line += text.count("\n", end, position)
        yield line, key, value
        line, end = line + text.count("\n", position, after), after


def find(text: str, path: Sequence[str]) -> int:
    """Where the value at the end of the keys begins."""
    position = _skip(text, 0)
    for wanted in path:
        position = next(at for key, at in _keys(text, position) if key == wanted)
    return position


def decode(text: str) -> Any:
    """Raises BROKEN, as where a key stands twice."""
    return DECODER.decode(text)


def whole(line: int, value: Any, source: str) -> Numbered | Fault:
    """The row; a fault where it holds half of a surrogate pair, as JSON can write."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        seen, expected = _("half of a surrogate pair"), _("whole characters")
        return Fault(source, line, "json", seen, expected, is_of_one=True)
    return line, value


def _numbered(text: str, position: int, num_values: int | None) -> Iterator[Numbered]:
    line, end, number = 1, 0, 0
    while number != num_values:
        position = _skip(text, position)
        if position == len(text):
            return
        line += text.count("\n", end, position)
        value, end = DECODER.raw_decode(text, position)
        yield line, value
        line += text.count("\n", position, end)
        position, number = end, number + 1


def _keys(text: str, position: int) -> Iterator[tuple[str, int]]:
    """The keys of the object that begins at a position, each with the place of its value."""
    position = _skip(text, position + 1)
    while text[position] != "}":
        key, position = DECODER.raw_decode(text, position)
        position = _skip(text, position)
        yield key, position
        _value, position = DECODER.raw_decode(text, position)
        position = _skip(text, position)


def _skip(text: str, position: int) -> int:
    gap = GAP.match(text, position)
    return gap.end() if gap else position


def _build_object(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        told = _("a key stands twice in one object, which has {keys}")
        raise ValueError(told.format(keys=show_keys(fields)))
    return fields


DECODER = json.JSONDecoder(object_pairs_hook=_build_object)
