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
