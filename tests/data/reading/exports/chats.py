"""Chats as the tests read them."""

from collections.abc import Iterator, Mapping

from data.reading.dialogues.dialogue import build_conversations
from data.reading.exports.export import Export, read_export
from data.reading.exports.speakers import Part
from data.reading.faulty import Read


def export_of(text: str, roles: Mapping[str, Part] | None = None) -> Export:
    """Fails where the text is no export."""
    found = read_export(text.split("\n"), "a.txt", roles or {})
    assert found
    return found


def items_of(text: str, roles: Mapping[str, Part] | None = None) -> Iterator[Read]:
    found = export_of(text, roles)
    yield from found.faults
    yield from build_conversations(found.conversations, "a.txt")
