"""A text to conversations: a chat as a program saved it, or a dialogue as people type it."""

from collections.abc import Iterator

from .dialogues.dialogue import build_conversations, read_dialogue
from .dialogues.role_words import Roles
from .dialogues.turns import lines_of
from .exports.export import read_export
from .faulty import Read


def read_talk(text: str, source: str, roles: Roles) -> Iterator[Read]:
    """The conversations, or every fault; `roles` are by name, in lower case."""
    lines = lines_of(text)
    export = read_export(lines, source, roles)
    if export is None:
        yield from read_dialogue(lines, source, roles)
        return
    yield from export.faults
    yield from build_conversations(export.conversations, source)
