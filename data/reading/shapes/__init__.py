"""Rows to messages: the shapes that data sets come in, each known by the names of its fields."""

from .accepted import accepted, show_keys
from .finding import find_shape
from .names import ANSWERS, QUESTIONS, TITLE
from .preferences import LEFT_OUT
from .reading import read_row
from .turns import OF_TURNS, are_sure_turns, has_speakers, is_turns
from .unused import unnamed, unused

__all__ = [
    "ANSWERS",
    "LEFT_OUT",
    "OF_TURNS",
    "QUESTIONS",
    "TITLE",
    "accepted",
    "are_sure_turns",
    "find_shape",
    "has_speakers",
    "is_turns",
    "read_row",
    "show_keys",
    "unnamed",
    "unused",
]
