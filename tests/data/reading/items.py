"""What reading gave, sorted."""

from collections.abc import Iterable

from data.conversation import Conversation, Item
from data.errors import Fault
from data.reading.dialogues.dialogue import read_dialogue
from data.reading.dialogues.role_words import Roles
from data.reading.faulty import WAY_OUT, settle


def dialogue_items(text: str, roles: Roles | None = None) -> list[Item]:
    """What `read_items` gives of a text file, but for the advice at the end."""
    items = settle(read_dialogue(text, "a.txt", roles or {}), "stop")
    return [item for item in items if isinstance(item, Conversation) or item.kind != WAY_OUT]


def conversations_of(items: Iterable[Item]) -> list[Conversation]:
    """Fails where there is a fault."""
    read = list(items)
    assert not [item for item in read if isinstance(item, Fault)]
    return [item for item in read if isinstance(item, Conversation)]


def faults_of(items: Iterable[Item]) -> list[Fault]:
    return [item for item in items if isinstance(item, Fault)]
