"""Disclaimers in the text of answers: put behind it, and taken off what comes back."""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they need the shapes of messages, and these what is here
    from service.models import Models, ResolvedModel

BEFORE = "\n\n"  # a paragraph of its own


class Disclaimers:
    """What one server does with them beside telling them in a field."""

    def __init__(self, models: "Models", *, are_appended: bool) -> None:
        self._models = models
        self._are_appended = are_appended

    def ending(self, model: "ResolvedModel") -> str:
        """What is to be put behind each answer's text; empty where nothing is."""
        is_due = self._are_appended and model.disclaimer is not None
        return f"{BEFORE}{model.disclaimer}" if is_due else ""

    def known(self, model: "ResolvedModel") -> Collection[str]:
        """Those that the answers of a conversation may end with. Reads files."""
        return self._models.disclaimers(model) if self._are_appended else ()


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
