"""Rows as JSON lines, and what reading makes of them."""

import io
import json
from collections.abc import Iterator
from typing import Any

from data.conversation import Conversation
from data.reading import json_rows
from data.reading.faulty import Read
from tests.data.reading.items import conversations_of, faults_of

Turn = tuple[str, str]


def read_lines(*rows: Any) -> Iterator[Read]:
    text = "\n".join(map(json.dumps, rows))
    return json_rows.read_jsonl(io.StringIO(text), "a.jsonl", {})


def read_row(row: Any) -> Conversation:
    """Fails where it is no one conversation, or where anything is said of it."""
    [conversation] = conversations_of(read_lines(row))
    return conversation


def turns(row: Any) -> list[Turn]:
    return [(each.role, each.content) for each in read_row(row).messages]


def all_turns(*rows: Any) -> list[list[Turn]]:
    """Of every conversation, whatever is said of it."""
    read = (item for item in read_lines(*rows) if isinstance(item, Conversation))
    return [[(each.role, each.content) for each in item.messages] for item in read]


def faults(*rows: Any) -> list[str]:
    return [str(fault) for fault in faults_of(read_lines(*rows))]


def warnings(*rows: Any) -> list[str]:
    """Fails where there is an error."""
    found = faults_of(read_lines(*rows))
    assert all(fault.severity == "warning" for fault in found), found
    return [fault.seen for fault in found]
