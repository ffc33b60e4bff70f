"""What reading gave, sorted."""

from collections.abc import Iterable

from data.conversation import Conversation, Item
from data.errors import Fault
from data.reading.dialogues.dialogue import read_dialogue
from data.reading.dialogues.role_words import Roles
from data.reading.dialogues.turns import lines_of
from data.reading.faulty import WAY_OUT, Read, settle


def settled(read: Iterable[Read]) -> list[Item]:
    """What `read_items` makes of it, but for the advice at the end."""
    items = settle(read, "stop")
    return [item for item in items if isinstance(item, Conversation) or item.kind != WAY_OUT]


def dialogue_items(text: str, roles: Roles | None = None) -> list[Item]:
    return settled(read_dialogue(lines_of(text), "a.txt", roles or {}))


def conversations_of(read: Iterable[Read]) -> list[Conversation]:
    """Fails where there is a fault."""
    items = settled(read)
    assert not [item for item in items if isinstance(item, Fault)]
    return [item for item in items if isinstance(item, Conversation)]


def faults_of(read: Iterable[Read]) -> list[Fault]:
    return [item for item in settled(read) if isinstance(item, Fault)]


def texts_of(read: Iterable[Read]) -> list[list[tuple[str, str]]]:
    """Roles and texts of the conversations; fails where there is an error."""
    items = settled(read)
    assert not [item for item in items if isinstance(item, Fault) and item.severity == "error"]
    conversations = (item for item in items if isinstance(item, Conversation))
    return [[(each.role, each.content) for each in one.messages] for one in conversations]
