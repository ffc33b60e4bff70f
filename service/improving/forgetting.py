"""What somebody wants forgotten goes from the training sets too, and from what was made of them."""

from collections.abc import Generator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, delete, select

from finetune.improving.training_set import SET_FILE
from service.feedback.feedback import item_of
from service.feedback.item import FeedbackItem
from service.jobs.desk import place_of
from service.state.database import State
from service.state.tables import ANSWERS, FEEDBACK

from .ledger import Entry, Ledger
from .round import FOLDER, Round, alone


@dataclass(frozen=True, slots=True)
class Forgotten:
    answers: int
    feedback: int
    versions: Sequence[str] = ()  # name@number, trained on or measured with some of it, still there


class Forgetting:
    """Forgets stored answers and feedback in one home, wherever they have got to.

    Every method asks the database, so call from threads. All raise StateUnavailable where it does
    not answer, and OSError where a file cannot be rewritten: then nothing is gone from the
    database, and the same call goes on.
    """

    def __init__(self, state: State, home: Path) -> None:
        self._state = state
        self._home = home
        self._place = place_of(home) or ""

    def of_key(self, key_id: str, who: str = "") -> Forgotten:
        """Forget the stored answers of a key, and what is said of them."""
        return self._forget(ANSWERS.c.key_id == key_id, FEEDBACK.c.key_id == key_id, who)

    def of_user(self, user: str, who: str = "") -> Forgotten:
        """Forget what was answered to somebody, by any key, and what is said of it."""
        return self._forget(ANSWERS.c.user == user, FEEDBACK.c.user == user, who)

    @contextmanager
    def removing(self, items: Sequence[FeedbackItem], who: str = "") -> Generator[list[str]]:
        """Take items out of what was made of feedback, and let nothing be made of it for as long as
        the block lasts, which removes them. Yields the versions that were trained on some of it.

        Raises JobRefused where one of their adapters is being improved.
        """
        own = [each for each in items if each.place == self._place and "@" in each.pinned]
        with ExitStack() as stack:
            for adapter in sorted({each.pinned.partition("@")[0] for each in own}):
                stack.enter_context(alone(self._home, adapter))
            yield self._clean({each.id for each in own}, who)

    def items_of(self, answer_id: str) -> list[FeedbackItem]:
        """All that was said of an answer."""
        return self._items(FEEDBACK.c.completion_id == answer_id)

    def _forget(
        self, answers: ColumnElement[bool], feedback: ColumnElement[bool], who: str
    ) -> Forgotten:
        with (
            self.removing(self._items(feedback), who) as versions,
            self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection,
        ):
            num_answers = connection.execute(delete(ANSWERS).where(answers)).rowcount
            num_items = connection.execute(delete(FEEDBACK).where(feedback)).rowcount
        self._state.wipe()
        return Forgotten(num_answers, num_items, versions)

    def _items(self, where: ColumnElement[bool]) -> list[FeedbackItem]:
        with self._state.begin() as connection:
            rows = connection.execute(select(FEEDBACK).where(where)).mappings()
            return [item_of(row) for row in rows]

    def _clean(self, ids: Set[str], who: str) -> list[str]:
        found: list[str] = []
        for adapter, rounds in _rounds(self._home).items() if ids else ():
            touched = [each for each in rounds if each.take_out(ids)]
            if not touched:
                continue
            versions = [str(made) for each in touched if (made := each.candidate())]
            told = {"rounds": [each.number for each in touched], "versions": versions}
            entry = Entry(
                adapter=adapter,
                what="forget",
                who=who,
                after=versions[-1] if versions else None,
                told=told,
            )
            Ledger(self._state, self._place).add(entry)
            found += versions
        return found


def _rounds(home: Path) -> dict[str, list[Round]]:
    """All that were begun, by adapter, in their order."""
    found: dict[str, list[Round]] = {}
    for path in (home / FOLDER).glob(f"*/*/{SET_FILE}"):
        if path.parent.name.isdecimal():
            adapter = path.parent.parent.name
            found.setdefault(adapter, []).append(Round(home, adapter, int(path.parent.name)))
    return {name: sorted(each, key=lambda one: one.number) for name, each in found.items()}
