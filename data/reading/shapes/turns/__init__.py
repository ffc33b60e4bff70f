"""Turns in one field of a row: objects, pairs, strings, or one text with a template's marks."""

from .lists import are_sure_turns, is_turns, read_turns
from .message import OF_TURNS, has_speakers
from .tools import answer_calls, take_tools

__all__ = [
    "OF_TURNS",
    "answer_calls",
    "are_sure_turns",
    "has_speakers",
    "is_turns",
    "read_turns",
    "take_tools",
]
