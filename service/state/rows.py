"""What rows of several tables have in common."""

from collections.abc import Mapping

from sqlalchemy import Select, Table, func, select


def next_number(table: Table) -> Select[tuple[int]]:
    """Asks for the number of the next row, in the order in which rows come. Of two that take the
    same, the column refuses one: `State.write` tries again."""
    return select(func.coalesce(func.max(table.c.number), 0) + 1)


def has_all(metadata: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Looked through row by row: SQLite finds no key of a JSON object that is not plain ASCII."""
    own = metadata or {}
    return all(own.get(key) == value for key, value in wanted.items())
