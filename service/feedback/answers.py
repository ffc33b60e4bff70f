"""The answers in the state: kept, found, marked and forgotten."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Table,
    delete,
    insert,
    select,
    update,
)

from service.accounts.caller import Caller
from service.accounts.keys import DAY
from service.errors import AnswerNotFound
from service.state.database import State
from service.state.rows import has_all, next_number
from service.state.tables import ANSWERS, FEEDBACK

from .stored_answer import StoredAnswer

ID = re.compile(r"[0-9A-Za-z-]{1,64}")  # a database need not take every text
Order = Literal["asc", "desc"]


class Answers:
    """The answers in the state; of those that the home `place` gave, what is older than `days` is
    left out.

    Every method asks the database, so call from threads. All raise StateUnavailable where it does
    not answer.
    """

    def __init__(
        self,
        state: State,
        place: str = "",
        days: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._place = place
        self._days = days
        self._clock = clock

    def add(self, answer: StoredAnswer) -> None:
        row = asdict(answer)
        row["answer_metadata"] = row.pop("metadata")

        def write(connection: Connection) -> None:
            number = connection.execute(next_number(ANSWERS)).scalar_one()
            connection.execute(insert(ANSWERS).values(row | {"number": number}))

        self._state.write(write)

    def find(self, answer_id: str, caller: Caller) -> StoredAnswer:
        """One that the caller may see. Raises AnswerNotFound."""
        with self._state.begin() as connection:
            return _answer(self._row(connection, answer_id, caller))

    def page(
        self,
        caller: Caller,
        *,
        after: str | None = None,
        limit: int | None = None,
        order: Order = "asc",
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        without_metadata: bool = False,
    ) -> list[StoredAnswer]:
        """Those that the caller may see, behind the one with the id `after`: of a model, as asked
        for or as it answered, and with all of the metadata or none at all. Raises AnswerNotFound
        for an unknown `after`."""
        where = [*self._alive(), *seen_by(caller, ANSWERS)]
        number = ANSWERS.c.number
        if not storable(model or ""):
            return []
        with self._state.begin() as connection:
            if after is not None:
                behind = self._row(connection, after, caller)["number"]
                where.append(number < behind if order == "desc" else number > behind)
            if model is not None:
                where.append((ANSWERS.c.model == model) | (ANSWERS.c.pinned == model))
            if without_metadata:
                where.append(ANSWERS.c.answer_metadata.is_(None))
            asked = select(ANSWERS).where(*where)
            asked = asked.order_by(number.desc() if order == "desc" else number)
            if not metadata:
                asked = asked.limit(limit)
            answers = map(_answer, connection.execute(asked).mappings())
            wanted = (each for each in answers if has_all(each.metadata, metadata or {}))
            return [*islice(wanted, limit)]

    def mark(self, answer_id: str, caller: Caller, metadata: dict[str, str] | None) -> StoredAnswer:
        """Give an answer other metadata. Raises AnswerNotFound."""
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            self._row(connection, answer_id, caller)
            changed = update(ANSWERS).where(ANSWERS.c.id == answer_id)
            connection.execute(changed.values(answer_metadata=metadata))
            marked = _answer(self._row(connection, answer_id, caller))
        self._state.wipe()
        return marked

    def remove(self, answer_id: str, caller: Caller) -> None:
        """Forget one answer, and what has been said of it. Raises AnswerNotFound."""
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            self._row(connection, answer_id, caller)
            connection.execute(delete(FEEDBACK).where(FEEDBACK.c.completion_id == answer_id))
            connection.execute(delete(ANSWERS).where(ANSWERS.c.id == answer_id))
        self._state.wipe()

    def sweep(self) -> int:
        """Forget those that are too old. Returns how many."""
        if self._days is None:
            return 0
        with self._state.begin() as connection:
            old = delete(ANSWERS).where(self._is_old(self._days))
            count = connection.execute(old).rowcount
        if count:
            self._state.wipe()
        return count

    def _row(self, connection: Connection, answer_id: str, caller: Caller) -> RowMapping:
        if not ID.fullmatch(answer_id):
            raise AnswerNotFound(answer_id)
        where = ANSWERS.c.id == answer_id, *self._alive(), *seen_by(caller, ANSWERS)
        row = connection.execute(select(ANSWERS).where(*where)).mappings().first()
        if row is None:
            raise AnswerNotFound(answer_id)
        return row

    def _alive(self) -> list[ColumnElement[bool]]:
        return [] if self._days is None else [~self._is_old(self._days)]

    def _is_old(self, days: float) -> ColumnElement[bool]:
        oldest = self._clock() - days * DAY
        return (ANSWERS.c.place == self._place) & (ANSWERS.c.created < oldest)


def storable(text: str) -> bool:
    """Whether every database takes it; what it does not take is not in it."""
    return "\0" not in text


def seen_by(caller: Caller, table: Table) -> list[ColumnElement[bool]]:
    """Rows of a table that the caller may see."""
    return [] if caller.has("admin") else [table.c.key_id == caller.owner]


def _answer(row: RowMapping) -> StoredAnswer:
    values: dict[str, Any] = {str(key): value for key, value in row.items() if key != "number"}
    values["metadata"] = values.pop("answer_metadata")
    return StoredAnswer(**values)
