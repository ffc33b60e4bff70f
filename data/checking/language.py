"""Which language data is in, as far as a choice of base depends on it."""

from collections.abc import Iterable
from typing import Literal

from data.conversation import Conversation
from data.script import is_chinese

Language = Literal["Chinese", "mixed", "other"]
CLEAR = 0.9  # from this share of turns on, the others are exceptions


def language_of(conversations: Iterable[Conversation]) -> Language | None:
    """The language of conversations, by the turns that hold letters; None where there are none."""
    turns = [
        is_chinese(message.content)
        for conversation in conversations
        for message in conversation.messages
        if any(map(str.isalpha, message.content))
    ]
    if not turns:
        return None
    share = sum(turns) / len(turns)
    return "Chinese" if share >= CLEAR else "other" if share <= 1 - CLEAR else "mixed"
