"""Text files that are tables divided by tabs, though their names do not say so."""

import re

from data.reading.dialogues.role_words import begins_turn
from data.reading.proposals import propose
from data.reading.shapes import find_shape

from .kinds import HEAD

CLOCK = re.compile(r"\d{1,4}[:：./年-]\d{1,2}(?!\d)")  # a time or a date


def is_tab_table(head: bytes) -> bool:
    """Whether the lines of a text are divided by tabs into as many cells each: a table whose name
    does not say so, and no chat with its times or names before each line."""
    rows = [line.split("\t") for line in _lines(head)]
    width = len(rows[0]) if rows else 1
    if b"\0" in head or len(rows) < 2 or width < 2 or any(len(row) != width for row in rows):
        return False
    if any(CLOCK.search(row[0]) for row in rows) or any(
        begins_turn(cell) for row in rows for cell in row
    ):
        return False
    numbered = [{str(at): cell for at, cell in enumerate(row)} for row in rows]
    return width > 2 or find_shape(rows[0]) is not None or propose(numbered) is not None


def _lines(head: bytes) -> list[str]:
    """Whole ones that hold something."""
    whole = head[: head.rfind(b"\n") + 1] if len(head) == HEAD else head
    try:
        text = whole.decode()
    except UnicodeDecodeError:
        text = whole.decode("gb18030", "replace")
    return [line for line in text.splitlines() if line.strip()]
