"""What a model should not forget: everyday questions and answers of no domain, in two languages."""

from importlib.resources import files
from pathlib import Path

from .conversation import Conversation
from .reading.reader import read_conversations
from .wording import N_

GENERAL_SETS = {N_("English"): "general_en.txt", N_("Chinese"): "general_zh.txt"}
MIXED_IN = ("general_mix_en.txt", "general_mix_zh.txt")  # others: what measures is never trained on


def general_conversations() -> dict[str, list[Conversation]]:
    """The shipped sets that measure, by language."""
    return {language: _read(name) for language, name in GENERAL_SETS.items()}


def conversations_to_mix_in() -> list[Conversation]:
    """Conversations for `general_mix`: none of them is in the sets that measure."""
    return [conversation for name in MIXED_IN for conversation in _read(name)]


def _read(name: str) -> list[Conversation]:
    return read_conversations(Path(str(files("data"))) / "samples" / name)
