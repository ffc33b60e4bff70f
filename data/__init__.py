"""Questions and answers as people have them: read, checked, split, and rendered to token ids.

Knows nothing of torch, models or HTTP: a tokenizer is something it is handed.
"""

from .conversation import Conversation, Item, Message
from .errors import DataError, Fault, InvalidData, TemplateError, UnreadableFile
from .reading.reader import ReadOptions, read_conversations, read_items
from .split import split_conversations

__all__ = [
    "Conversation",
    "DataError",
    "Fault",
    "InvalidData",
    "Item",
    "Message",
    "ReadOptions",
    "TemplateError",
    "UnreadableFile",
    "read_conversations",
    "read_items",
    "split_conversations",
]
