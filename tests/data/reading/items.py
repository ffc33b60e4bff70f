"""What reading gave, sorted."""

from collections.abc import Iterable

from data.conversation import Conversation, Item
from data.errors import Fault


def conversations_of(items: Iterable[Item]) -> list[Conversation]:
    """Fails where there is a fault."""
    read = list(items)
    assert not [item for item in read if isinstance(item, Fault)]
    return [item for item in read if isinstance(item, Conversation)]


def faults_of(items: Iterable[Item]) -> list[Fault]:
    return [item for item in items if isinstance(item, Fault)]


def texts_of(items: Iterable[Item]) -> list[list[tuple[str, str]]]:
    """Roles and texts of the conversations; fails where there is an error."""
    read = list(items)
    assert not [item for item in read if isinstance(item, Fault) and item.severity == "error"]
    conversations = (item for item in read if isinstance(item, Conversation))
    return [[(each.role, each.content) for each in one.messages] for one in conversations]
