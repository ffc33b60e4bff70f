"""What feedback does, once it is given or taken away, to the versions that came of it."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from service.feedback.item import FeedbackItem
from service.state.database import State

from .forgetting import Forgetting
from .ratings import RatingsWatch


class Effects:
    """Owns what happens then; without a database there is no feedback, and nothing happens."""

    def __init__(self, state: State | None, place: str, home: Path) -> None:
        self._ratings = None if state is None else RatingsWatch(state, place, home)
        self._forgetting = None if state is None else Forgetting(state, home)

    def given(self, item: FeedbackItem) -> None:
        """Look whether a version is rated so badly that it goes back. Never raises."""
        if self._ratings is not None:
            self._ratings.after(item)

    def removing(self, item: FeedbackItem, who: str) -> AbstractContextManager[object]:
        """A block that removes an item: it is taken out of training sets and reports before.
        Raises JobRefused where its adapter is being improved, and OSError."""
        return self._forgetting.removing([item], who) if self._forgetting else nullcontext()

    def removing_answer(self, answer_id: str, who: str) -> AbstractContextManager[object]:
        """The same of all that was said of an answer."""
        if self._forgetting is None:
            return nullcontext()
        return self._forgetting.removing(self._forgetting.items_of(answer_id), who)
