"""The rows that a JSON document holds: a list of them, columns, rows by their keys, or a map."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from data.reading.rows import Columns, Numbered
from data.reading.shapes import are_sure_turns, find_shape, has_speakers, is_turns, show_keys
from data.reading.shapes.names import own_name
from data.wording import _

from .places import each_entry, each_item

Path = tuple[str, ...]  # keys from the outermost object on

DEEPEST = 3
NUM_NAMED = 10
FEWEST = 3  # rows that show a table
# Lists that are rows at some places, and turns at others.
EITHER = ("data", "items")
# What is a list, or may be one, in a single row.
LISTS = ("questions", "answers", "patterns", "responses", "paragraphs", "qas")
QUESTION = re.compile(r".*[?？]|\S+(?:\s+\S+){2,}|.*[\u4e00-\u9fff]{5}.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    rows: Iterable[Numbered]
    left_out: str = ""  # what stands beside them


def rows_of(value: Any, text: str, columns: Columns) -> Document | str:
    """Or, in words, what the document is that holds none."""
    if isinstance(value, list):
        return _rows_of_list(value, text, columns)
    if not isinstance(value, dict) or _is_row(value, columns):
        return Document([(1, value)])
    return (
        _rows_of_columns(value, text, columns)
        or _rows_of_frame(value, text)
        or _rows_by_key(value, text)
        or _rows_of_map(value, text)
        or _rows_within(value, text, columns)
    )


def _rows_of_list(value: list[Any], text: str, columns: Columns) -> Document | str:
    if are_sure_turns(value):
        return Document([(1, value)])
    if value and all(isinstance(each, str) for each in value):
        return _("a list of strings, of which nothing says who speaks")
    return _listed(value, text, (), columns)


def _listed(
    rows: list[Any], text: str, path: Path, columns: Columns, left_out: str = ""
) -> Document | str:
    """Rows that are lists may be a table: the first of them then has the names."""
    numbered, width = each_item(text, path, len(rows)), _width(rows)
    names = [*map(str, rows[0])] if width else []
    if names and (_are_named(names, columns) or find_shape(names)):
        cells = islice(numbered, 1, None)
        objects = ((line, dict(zip(names, row, strict=True))) for line, row in cells)
        return Document(objects, left_out)
    if width > 2 and len(rows) >= FEWEST:
        told = _("rows of {count} cells each, of which nothing says what they are")
        return told.format(count=width)
    return Document(numbered, left_out)


def _width(rows: list[Any]) -> int:
    """The width of a table's rows; 0 of those that are none, or that say themselves who speaks."""
    if not all(isinstance(row, list) and not are_sure_turns(row) for row in rows):
        return 0
    cells = [cell for row in rows for cell in row]
    widths = {len(row) for row in rows}
    return widths.pop() if len(widths) == 1 and not any(map(_is_nested, cells)) else 0


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _is_row(fields: Mapping[str, Any], columns: Columns) -> bool:
    """Whether one conversation, and no rows, is in the fields that the user or their names say."""
    if _are_named(fields, columns):
        return not _are_columns([fields[column] for column in columns.values()])
    shape = find_shape(fields)
    if shape is None:
        return False
    own = {own_name(key): each for key, each in fields.items()}
    if not shape.has_turns:
        values = [own[key] for key in shape.required]
        return not all(isinstance(each, dict) for each in values) and not _are_columns(
            [own[key] for key in shape.required if key not in LISTS]
        )
    [key] = shape.required
    if isinstance(own[key], dict):
        return has_speakers(own[key]) or _are_turns_by_number(own[key], key)
    return not _are_rows(own[key], key)


def _are_named(names: Collection[str], columns: Columns) -> bool:
    """Whether the user has named columns, and all of them are among these names."""
    return bool(columns) and all(column in names for column in columns.values())


def _are_turns_by_number(value: dict[str, Any], key: str) -> bool:
    return key not in EITHER and all(isinstance(each, dict) for each in value.values())


def _are_columns(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(each, list | dict) for each in values)


def _are_rows(value: Any, key: str) -> bool:
    """Whether rows stand where turns may be."""
    if not isinstance(value, list):
        return False
    objects = [each for each in value if isinstance(each, dict)]
    are_rows = key in EITHER or any(
        (shape := find_shape(each)) and shape.has_turns for each in objects
    )
    has_lists = any(isinstance(each, list) for each in value)
    return has_lists or (bool(objects) and are_rows and not is_turns(value))


def _rows_of_columns(value: dict[str, Any], text: str, columns: Columns) -> Document | None:
    """Lists of equal length, or pandas' objects of equal keys, under the names of one row."""
    names = [*value]
    if not _names_columns(value, columns):
        return None
    if all(isinstance(each, list) for each in value.values()):
        places = [range(len(each)) for each in value.values()]
        lines = (line for line, _ in each_item(text, (names[0],), len(value[names[0]])))
    elif all(isinstance(each, dict) for each in value.values()):
        places = [each.keys() for each in value.values()]
        lines = (line for line, _, _ in each_entry(text, (names[0],)))
    else:
        return None
    if any(each != places[0] for each in places):
        return None
    rows = ({name: value[name][place] for name in names} for place in places[0])
    return Document(zip(lines, rows, strict=True))


def _names_columns(value: dict[str, Any], columns: Columns) -> bool:
    if _are_named(value, columns):
        return True
    shape = find_shape(value)
    if shape is None or not shape.has_turns:
        return shape is not None
    [key] = shape.required
    turns = next(each for name, each in value.items() if own_name(name) == key)
    cells = turns.values() if isinstance(turns, dict) else turns
    return key not in EITHER and not any(isinstance(cell, dict) for cell in cells)


def _rows_of_frame(value: dict[str, Any], text: str) -> Document | None:
    """What pandas writes with orient="split"."""
    names, rows = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    numbered = each_item(text, ("data",), len(rows))
    keys = [*map(str, names)]
    return Document((line, dict(zip(keys, row, strict=True))) for line, row in numbered)


def _rows_by_key(value: dict[str, Any], text: str) -> Document | None:
    """Each row, or each dialogue, under a key of its own."""
    values = [*value.values()]
    are_rows = all(isinstance(each, dict) and _is_row(each, {}) for each in values)
    if not values or not (are_rows or all(map(are_sure_turns, values))):
        return None
    return Document((line, each) for line, _, each in each_entry(text, ()))


def _rows_of_map(value: dict[str, Any], text: str) -> Document | None:
    """Questions as keys, and each one's answer."""
    if len(value) < 2 or not all(isinstance(each, str) for each in value.values()):
        return None
    if 2 * sum(QUESTION.fullmatch(key) is not None for key in value) <= len(value):
        return None
    entries = each_entry(text, ())
    return Document((line, {"question": key, "answer": each}) for line, key, each in entries)


def _rows_within(value: dict[str, Any], text: str, columns: Columns) -> Document | str:
    """The one list of rows that lies in the objects of the document."""
    lists = dict(_lists(value, ()))
    found = [path for path, rows in lists.items() if _looks_like_row(rows[0])] or [*lists]
    if not found:
        told = _("one object without a list of objects, which has {keys}")
        return told.format(keys=_named(value))
    if len(found) > 1:
        listed = ", ".join(repr(".".join(path)) for path in found)
        return _("{count} lists of objects: {keys}").format(count=len(found), keys=listed)
    [path] = found
    others = [".".join(each) for each in _beside(value, path)]
    told = _("{keys} beside the rows of {key!r}")
    left_out = told.format(keys=_named(others), key=".".join(path)) if others else ""
    return _listed(lists[path], text, path, columns, left_out)


def _lists(value: dict[str, Any], path: Path) -> Iterator[tuple[Path, list[Any]]]:
    for key, each in value.items():
        inner = (*path, key)
        if isinstance(each, dict) and len(inner) < DEEPEST:
            yield from _lists(each, inner)
        elif isinstance(each, list) and {*map(type, each)} in ({dict}, {list}):
            yield inner, each


def _looks_like_row(value: Any) -> bool:
    return find_shape(value) is not None if isinstance(value, dict) else is_turns(value)


def _beside(value: dict[str, Any], path: Path) -> Iterator[Path]:
    """What lies in the same objects as the path does."""
    for depth, key in enumerate(path):
        yield from ((*path[:depth], other) for other in value if other != key)
        value = value[key]


def _named(keys: Iterable[str]) -> str:
    names = [*keys]
    keys = show_keys(names[:NUM_NAMED])
    if len(names) <= NUM_NAMED:
        return keys
    return _("{things} and {count} more").format(things=keys, count=len(names) - NUM_NAMED)
