"""Feedback in the state: given, found, changed and forgotten."""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    delete,
    func,
    insert,
    select,
    update,
)

from service.accounts.caller import Caller
from service.errors import AnswerNotFound, FeedbackNotFound, InvalidRequest, LimitReached
from service.state.database import State
from service.state.rows import next_number
from service.state.tables import ANSWERS, FEEDBACK

from .answers import Order, seen_by, storable
from .importing import Brought
from .item import USED, FeedbackItem, Opinion, question_of
from .item import State as ReviewState
from .stored_answer import StoredAnswer

ID_PREFIX = "fb-"
IMPORTED = "import-"  # begins the ids of answers that were given elsewhere
ID = re.compile(rf"{ID_PREFIX}[0-9a-f]{{12}}")  # a database need not take every text
MOST = 20  # of one completion: each has all of its question with it
SAID = ("rating", "correction", "reasons", "note")  # elsewhere
SAME = ("key_id", "place", "model", "pinned", "base", "template", "user", "asked", "sampling")


class Feedback:
    """What has been said of answers. Every method asks the database, so call from threads.

    All raise StateUnavailable where it does not answer.
    """

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def give(self, answer: StoredAnswer, choice: int, opinion: Opinion) -> FeedbackItem:
        """Keep what is said of one choice of an answer, together with it: it stays when the answer
        is forgotten because of its age.

        Raises InvalidRequest where there is no such choice, AnswerNotFound where it has just been
        removed, and LimitReached where there is a lot already.
        """
        if choice >= len(answer.choices):
            raise InvalidRequest(
                f"{answer.id} has {len(answer.choices)} choices, numbered from 0.", "choice"
            )
        said = answer.choices[choice]
        row = self._row(
            opinion,
            completion_id=answer.id,
            choice=choice,
            messages=answer.messages,
            answer={name: said[name] for name in ("message", "finish_reason")},
            **{name: getattr(answer, name) for name in SAME},
        )

        def write(connection: Connection) -> None:
            _check_is_there(connection, answer.id)
            _insert(connection, row)

        self._state.write(write)
        return FeedbackItem(**row)

    def bring(self, brought: Brought, place: str, pinned: str) -> FeedbackItem | None:
        """Keep what was said elsewhere, of a version's answer; None where it is here already."""
        completion_id = f"{IMPORTED}{brought.digest[:24]}"
        said = {name: getattr(brought, name) for name in SAID}
        message = {"role": "assistant", "content": brought.answer}
        row = self._row(
            Opinion(**said),
            completion_id=completion_id,
            choice=0,
            messages=brought.messages,
            answer={"message": message, "finish_reason": "stop"},
            key_id="",
            place=place,
            model=pinned.partition("@")[0],
            pinned=pinned,
            base="",
            template="",
            user=None,
            asked={},
            sampling={},
        )
        row["created"] = brought.created or row["created"]

        def write(connection: Connection) -> bool:
            known = select(FEEDBACK.c.id).where(FEEDBACK.c.completion_id == completion_id)
            if connection.execute(known.where(FEEDBACK.c.place == place)).first():
                return False
            _insert(connection, row)
            return True

        return FeedbackItem(**row) if self._state.write(write) else None

    def find(self, item_id: str, caller: Caller) -> FeedbackItem:
        """One that the caller may see. Raises FeedbackNotFound."""
        with self._state.begin() as connection:
            return item_of(find_row(connection, item_id, caller))

    def page(
        self,
        caller: Caller,
        *,
        after: str | None = None,
        limit: int | None = None,
        order: Order = "desc",
        model: str | None = None,
        adapter: str | None = None,
        completion_id: str | None = None,
        rating: int | None = None,
        state: ReviewState | None = None,
    ) -> Sequence[FeedbackItem]:
        """What the caller may see, behind the one with the id `after`: of a model, as asked for or
        as it answered, of an adapter or one version of it, of one completion, of one rating, in one
        state. Raises FeedbackNotFound for an unknown `after`."""
        number, where = FEEDBACK.c.number, seen_by(caller, FEEDBACK)
        if not all(map(storable, (model or "", adapter or "", completion_id or ""))):
            return []
        if model is not None:
            where.append((FEEDBACK.c.model == model) | (FEEDBACK.c.pinned == model))
        if adapter is not None:
            where.append(answered_by(adapter))
        if completion_id is not None:
            where.append(FEEDBACK.c.completion_id == completion_id)
        if rating is not None:
            where.append(FEEDBACK.c.rating == rating)
        if state is not None:
            where.append(FEEDBACK.c.state == state)
        with self._state.begin() as connection:
            if after is not None:
                behind = find_row(connection, after, caller)["number"]
                where.append(number < behind if order == "desc" else number > behind)
            asked = select(FEEDBACK).where(*where).limit(limit)
            asked = asked.order_by(number.desc() if order == "desc" else number)
            return [item_of(row) for row in connection.execute(asked).mappings()]

    def change(self, item_id: str, caller: Caller, changes: dict[str, Any]) -> FeedbackItem:
        """Say some of it otherwise; it is new again. Raises FeedbackNotFound, and InvalidRequest
        where nothing would be said any more, or a version was trained on it."""
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            before = item_of(find_row(connection, item_id, caller, to_change=True))
            names = Opinion.__dataclass_fields__
            said: dict[str, Any] = {name: getattr(before, name) for name in names}
            check_says_something(Opinion(**said | changes))
            check_is_unused(before)
            changed = update(FEEDBACK).where(FEEDBACK.c.id == item_id)
            anew = {"state": "new", "edited": None, "reviewer": None, "reviewed": None}
            connection.execute(changed.values(**changes | anew, updated=int(self._clock())))
            changed_item = item_of(find_row(connection, item_id, caller))
        self._state.wipe()
        return changed_item

    def remove(self, item_id: str, caller: Caller) -> None:
        """Forget it. Raises FeedbackNotFound."""
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            find_row(connection, item_id, caller, to_change=True)
            connection.execute(delete(FEEDBACK).where(FEEDBACK.c.id == item_id))
        self._state.wipe()

    def _row(self, opinion: Opinion, **fields: Any) -> dict[str, Any]:
        """A new item's, without its number."""
        now = int(self._clock())
        return {
            "id": f"{ID_PREFIX}{secrets.token_hex(6)}",
            "created": now,
            "updated": now,
            "state": "new",
            "question": question_of(fields["messages"]),
            **fields,
            **asdict(opinion),
        }


def _insert(connection: Connection, row: dict[str, Any]) -> None:
    number = connection.execute(next_number(FEEDBACK)).scalar_one()
    connection.execute(insert(FEEDBACK).values(row | {"number": number}))


def answered_by(adapter: str) -> ColumnElement[bool]:
    """Rows of what it has answered alone: an adapter, one version of it, a blend, or the base."""
    return (FEEDBACK.c.pinned == adapter) | pinned_to(f"{adapter}@") | pinned_to(f"{adapter}:")


def pinned_to(start: str) -> ColumnElement[bool]:
    """Rows of answers by what begins so, and by no blend."""
    pinned = FEEDBACK.c.pinned
    # Not by LIKE: to SQLite any case of a letter is the same there.
    return (func.substr(pinned, 1, len(start)) == start) & ~pinned.contains("+")


def find_row(
    connection: Connection, item_id: str, caller: Caller, *, to_change: bool = False
) -> RowMapping:
    """One that the caller may see; nobody else changes it meanwhile where it is `to_change`. Raises
    FeedbackNotFound."""
    if not ID.fullmatch(item_id):
        raise FeedbackNotFound(item_id)
    asked = select(FEEDBACK).where(FEEDBACK.c.id == item_id, *seen_by(caller, FEEDBACK))
    row = connection.execute(asked.with_for_update() if to_change else asked).mappings().first()
    if row is None:
        raise FeedbackNotFound(item_id)
    return row


def _check_is_there(connection: Connection, answer_id: str) -> None:
    """Nobody removes an answer between this and the end of the transaction."""
    there = select(ANSWERS.c.id).where(ANSWERS.c.id == answer_id).with_for_update()
    if connection.execute(there).first() is None:
        raise AnswerNotFound(answer_id)
    counted = select(func.count()).where(FEEDBACK.c.completion_id == answer_id)
    if connection.execute(counted).scalar_one() >= MOST:
        raise LimitReached(
            f"Something has been said of {answer_id} {MOST} times. Change one of them, or remove "
            "one."
        )


def check_says_something(opinion: Opinion) -> None:
    """Raises InvalidRequest."""
    if opinion.is_empty:
        raise InvalidRequest(
            "Say something of the answer: a rating, a correction, reasons, a note, or that it is "
            "critical.",
            "rating",
        )


def check_is_unused(item: FeedbackItem) -> None:
    """Raises InvalidRequest where it is in a training set that is being used."""
    if item.state in USED:
        by = f"by {item.version}" if item.version else "by a training that goes on"
        raise InvalidRequest(
            f"{item.id} stays as it is: it is used {by}. Say it of a newer answer.", "feedback_id"
        )


def item_of(row: RowMapping) -> FeedbackItem:
    values: dict[str, Any] = {str(key): value for key, value in row.items() if key != "number"}
    return FeedbackItem(**values)
