"""What a model should not forget: everyday questions and answers of no domain, in two languages."""

from importlib.resources import files
from pathlib import Path

from data import read_conversations
from data.conversation import Conversation

GENERAL_SETS = {"English": "general_en.txt", "Chinese": "general_zh.txt"}


def general_conversations() -> dict[str, list[Conversation]]:
    """The shipped sets, by language."""
    folder = Path(str(files("data"))) / "samples"
    return {language: read_conversations(folder / name) for language, name in GENERAL_SETS.items()}
