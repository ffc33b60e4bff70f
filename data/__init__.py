"""Questions and answers as people have them: read, checked, split, and rendered to token ids.

Knows nothing of torch, models or HTTP: a tokenizer is something it is handed.
"""

from .conversation import Conversation, Message
from .errors import DataError, Fault, InvalidData, TemplateError, UnreadableFile
from .reader import read_conversations
from .split import split_conversations

__all__ = [
    "Conversation",
    "DataError",
    "Fault",
    "InvalidData",
    "Message",
    "TemplateError",
    "UnreadableFile",
    "read_conversations",
    "split_conversations",
]
