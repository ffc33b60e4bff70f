"""What rules find in feedback, with what has to be looked up for it: other feedback, and cards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.adapters.versions import find_version
from finetune.errors import AdapterInvalid
from service.accounts.caller import Caller
from service.state.database import State

from .faults import Fault, faults_of
from .item import FeedbackItem
from .review import Review


@dataclass(frozen=True, slots=True)
class Found:
    """Feedback with what is plainly wrong with its answer."""

    item: FeedbackItem
    faults: Sequence[Fault]
    contradicts: Sequence[str]  # ids of what was accepted and says otherwise to the same question


class Findings:
    """Asks the database and reads cards, so call from threads. Raises StateUnavailable.

    Versions are those of the home, whose name in the database is `place`.
    """

    def __init__(self, state: State, home: Path, place: str) -> None:
        self._review = Review(state)
        self._adapters = home / "adapters"
        self._place = place

    def of(self, items: Sequence[FeedbackItem], caller: Caller) -> list[Found]:
        """What is found in each item, as the caller may see it."""
        rivals = self._review.rivals(items, caller)
        disclaimers = {
            pinned: self._disclaimers(pinned)
            for pinned in {
                each.pinned for each in items if each.written and each.place == self._place
            }
        }

        def found(item: FeedbackItem) -> Found:
            others = rivals.get(item.id, ())
            known = disclaimers.get(item.pinned, ()) if item.place == self._place else ()
            return Found(item, faults_of(item, has_rivals=bool(others), disclaimers=known), others)

        return [found(each) for each in items]

    def _disclaimers(self, pinned: str) -> list[str]:
        """Those of the versions that are still there."""
        said: list[str] = []
        for part in pinned.split("+"):
            try:
                disclaimer = find_version(self._adapters, part.partition(":")[0]).disclaimer
            except AdapterInvalid:
                continue
            said += [disclaimer] if disclaimer else []
        return said
