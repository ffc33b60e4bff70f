"""What a conversation is known by when it comes again: a hash of what is said in it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from data.conversation import Conversation

SHORT = 16  # [hex digits] that tell one conversation from all others of an adapter


def hash_conversations(conversations: Sequence[Conversation]) -> str:
    """The hash of the conversations themselves, whatever file and format they came in."""
    digest = hashlib.sha256()
    for conversation in conversations:
        digest.update(_dump([asdict(message) for message in conversation.messages]))
    return digest.hexdigest()


def identify(conversation: Conversation) -> str:
    """The identity of one conversation, whatever system prompt it is trained with."""
    said = [asdict(each) for each in conversation.messages if each.role != "system"]
    return hashlib.sha256(_dump(said)).hexdigest()[:SHORT]


def _dump(messages: object) -> bytes:
    return json.dumps(messages, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
