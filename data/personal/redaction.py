"""Texts with what is personal in them replaced by what it was, in the text's own language."""

import re
from dataclasses import replace

from data.conversation import Conversation

from .kind import HAN
from .search import find_personal

CHINESE = re.compile(f"[{HAN}]")
WORD = re.compile("[A-Za-z]+")


def redact(text: str, *, around: str = "") -> str:
    """What it was stands in brackets; `around` says in which language where the rest of the text
    has no letter: `13812345678` alone may be of a Chinese conversation."""
    found = list(find_personal(text))
    if not found:
        return text
    begins, ends = [0, *(each.end for each in found)], [*(each.begin for each in found), len(text)]
    kept = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
    is_chinese = _is_chinese("".join(kept), around)
    names = [each.kind.chinese_name if is_chinese else each.kind.name for each in found]
    return kept[0] + "".join(f"[{name}]{rest}" for name, rest in zip(names, kept[1:], strict=True))


def redact_conversation(conversation: Conversation) -> Conversation:
    """Every message's content; calls of tools and their arguments stay as they are."""
    around = "\n".join(message.content for message in conversation.messages)
    messages, rejected = (
        tuple(replace(each, content=redact(each.content, around=around)) for each in said)
        for said in (conversation.messages, conversation.rejected)
    )
    return replace(conversation, messages=messages, rejected=rejected)


def _is_chinese(*texts: str) -> bool:
    """Whether the first text with letters has as many Chinese characters as Latin words."""
    for text in texts:
        num_characters, num_words = len(CHINESE.findall(text)), len(WORD.findall(text))
        if num_characters or num_words:
            return num_characters >= num_words
    return False
