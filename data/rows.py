"""Rows of any file to conversations: what the user has named, what a person has decided."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .conversation import Item
from .errors import Fault
from .shapes import Row, read_row, show_keys, unused

Numbered = tuple[int, Any]  # a row with the line it begins on
Columns = Mapping[str, str]  # what a field is called in the file

KEEP = "keep"  # the column in which a person decides about a draft
YES = ("yes", "y", "true", "1", "1.0", "是", "x", "✓")
NO = ("no", "n", "false", "0", "0.0", "否")


def read_rows(rows: Iterable[Numbered | Fault], source: str, columns: Columns) -> Iterator[Item]:
    """Each row a conversation, or what is wrong with it."""
    is_empty, ignored, left_out = True, dict[str, int](), dict[str, list[int]]()
    for each in rows:
        is_empty = False
        if isinstance(each, Fault):
            yield each
            continue
        line, value = each
        row = Row(source, line)
        decision = _decision(value, row)
        if decision != "yes":
            left_out.setdefault(decision, []).append(line)
            yield from row.faults
            continue
        if columns and isinstance(value, dict):
            value = _renamed(value, columns, row)
        conversation = None if row.faults else read_row(value, row)
        if conversation is None:
            yield from row.faults
            continue
        yield conversation
        for key in unused(value):
            ignored.setdefault(key, line)
    if is_empty:
        yield Fault(source, 1, "rows", "none", "at least one row")
    if lines := left_out.get("undecided"):
        seen = f"{len(lines)} rows without a decision, which are left out"
        yield Fault(source, lines[0], KEEP, seen, "yes or no", "warning", "undecided")
    for key, line in ignored.items():
        expected = "what training uses; this field is left out"
        seen = "a field of no known use"
        yield Fault(source, line, key, seen, expected, "warning", "unused field")


def _decision(value: Any, row: Row) -> str:
    """What a person says of a draft: yes, no, undecided or, with a fault, neither."""
    fields = value if isinstance(value, dict) else {}
    key = next((key for key in fields if key.strip().lower() == KEEP), None)
    if key is None:
        return "yes"
    given = fields[key]
    word = "" if given is None else str(given).strip().lower()
    if word not in (*YES, *NO, ""):
        row.refuse(KEEP, repr(given), "yes or no")
    return "yes" if word in YES else "undecided" if not word else "no"


def _renamed(fields: Mapping[str, Any], columns: Columns, row: Row) -> Mapping[str, Any]:
    """The fields that the user has named, by their own names, and nothing else."""
    missing = [column for column in columns.values() if column not in fields]
    for column in missing:
        row.refuse(column, show_keys(fields), f"the column {column!r}, as --map says")
    return {name: fields[column] for name, column in columns.items() if column in fields}
