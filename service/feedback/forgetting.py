"""A person's data forgotten: all that is stored of a key, or of somebody whom a client named."""

from dataclasses import dataclass

from sqlalchemy import Table, delete

from service.state.database import State
from service.state.tables import ANSWERS, FEEDBACK


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many there were."""

    answers: int
    feedback: int


def forget_key(state: State, key_id: str) -> Forgotten:
    """Forget the stored answers of a key, and what is said of them. Raises StateUnavailable."""
    return _forget(state, "key_id", key_id)


def forget_user(state: State, user: str) -> Forgotten:
    """Forget what was answered to somebody, by any key, and what is said of it. Raises
    StateUnavailable."""
    return _forget(state, "user", user)


def _forget(state: State, column: str, value: str) -> Forgotten:
    def matching(table: Table) -> int:
        return connection.execute(delete(table).where(table.c[column] == value)).rowcount

    with state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
        forgotten = Forgotten(matching(ANSWERS), matching(FEEDBACK))
    state.wipe()
    return forgotten
