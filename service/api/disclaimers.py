"""Disclaimers in the text of answers: put behind it, and taken off what comes back."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache

from data.conversation import Message
from service.models import Models, ResolvedModel

BEFORE = "\n\n"  # a paragraph of its own


class Disclaimers:
    """What one server does with them beside telling them in a field."""

    def __init__(self, models: Models, *, are_appended: bool) -> None:
        self._models = models
        self._are_appended = are_appended

    def ending(self, model: ResolvedModel) -> str:
        """What is to be put behind each answer's text; empty where nothing is."""
        is_due = self._are_appended and model.disclaimer is not None
        return f"{BEFORE}{model.disclaimer}" if is_due else ""

    def taken_off(self, messages: Sequence[Message], model: ResolvedModel) -> list[Message]:
        """The conversation with the answers as models wrote them. May read files."""
        if not self._are_appended:
            return list(messages)
        known = cache(lambda: self._models.disclaimers(model))
        own = frozenset(filter(None, [model.disclaimer]))

        def as_written(text: str) -> str:
            left = without_disclaimers(text, own)
            if left != text or BEFORE not in text:
                return left
            return without_disclaimers(text, known())  # another model may have answered

        return [
            replace(message, content=as_written(message.content))
            if message.role == "assistant"
            else message
            for message in messages
        ]


def ending_for(text: str, ending: str) -> str:
    """The ending that an answer lacks: none where it says nothing, or has said it by itself."""
    own = text.rstrip()
    return ending if own and not own.endswith(ending.strip()) else ""


def without_disclaimers(text: str, known: Collection[str]) -> str:
    """An answer as the model wrote it; a blend's has several disclaimers, one a line."""
    left = text.rstrip()
    longest_first = sorted(known, key=len, reverse=True)
    while said := next((each for each in longest_first if left.endswith(f"\n{each}")), None):
        left = left.removesuffix(f"\n{said}")
        if left.endswith("\n"):
            return left.removesuffix("\n")
    return text
