"""What is told of a job, in the order in which it came."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from service.errors import EventNotFound
from service.state.database import State
from service.state.tables import JOB_EVENTS

Level = Literal["info", "warn", "error"]
ID_PREFIX = "ftevent-"


@dataclass(frozen=True, slots=True)
class News:
    """What happened. A job that is resumed may tell it again: what has the same key takes the
    place of what was told before, unless it may happen several times."""

    key: str
    message: str
    data: dict[str, Any] | None = None  # of metrics
    level: Level = "info"
    may_recur: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    job_id: str
    number: int
    created: int  # [Unix seconds]
    level: Level
    message: str
    data: dict[str, Any] | None

    @property
    def id(self) -> str:
        return f"{ID_PREFIX}{self.job_id.rpartition('-')[2]}-{self.number}"

    @property
    def kind(self) -> Literal["message", "metrics"]:
        return "message" if self.data is None else "metrics"


class Events:
    """The events in the state. Every method asks the database, so call from threads.

    All raise StateUnavailable where it does not answer.
    """

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def tell(self, job_id: str, *news: News) -> None:
        """Add them, all or none."""
        self._state.write(
            lambda connection: write_news(connection, job_id, news, int(self._clock()))
        )

    def newest(self, job_id: str, after: str | None = None, limit: int = 20) -> list[Event]:
        """Newest first, those before the event `after`. Raises EventNotFound."""
        where = [JOB_EVENTS.c.job_id == job_id]
        if after is not None:
            where.append(JOB_EVENTS.c.number < number_of(job_id, after))
        asked = select(JOB_EVENTS).where(*where).order_by(JOB_EVENTS.c.number.desc()).limit(limit)
        with self._state.begin() as connection:
            return [_event(row) for row in connection.execute(asked)]

    def since(self, job_id: str, number: int, limit: int = 1000) -> list[Event]:
        """Oldest first, those after the one of that number, page by page."""
        newer = JOB_EVENTS.c.job_id == job_id, JOB_EVENTS.c.number > number
        asked = select(JOB_EVENTS).where(*newer).order_by(JOB_EVENTS.c.number).limit(limit)
        with self._state.begin() as connection:
            return [_event(row) for row in connection.execute(asked)]


def write_news(connection: Connection, job_id: str, news: Sequence[News], now: int) -> None:
    """Add what happened, in a transaction of whoever calls. Raises IntegrityError where somebody
    else tells of the same job."""
    of_job = JOB_EVENTS.c.job_id == job_id
    keys = [_key(connection, job_id, each) for each in news]
    asked = select(JOB_EVENTS.c.key).where(of_job, JOB_EVENTS.c.key.in_(keys))
    known = set(connection.execute(asked).scalars())
    last = select(func.coalesce(func.max(JOB_EVENTS.c.number), 0)).where(of_job)
    number = connection.execute(last).scalar_one()
    for key, each in zip(keys, news, strict=True):
        told = {"level": each.level, "message": each.message, "data": each.data}
        if key in known:
            again = of_job, JOB_EVENTS.c.key == key
            connection.execute(update(JOB_EVENTS).where(*again).values(told))
            continue
        number += 1
        known.add(key)
        kind = "message" if each.data is None else "metrics"
        row = {"job_id": job_id, "number": number, "key": key, "created": now, "kind": kind}
        connection.execute(insert(JOB_EVENTS).values(row | told))


def _key(connection: Connection, job_id: str, news: News) -> str:
    """What happens again gets a number behind its key."""
    if not news.may_recur:
        return news.key
    named = JOB_EVENTS.c.job_id == job_id, JOB_EVENTS.c.key.startswith(f"{news.key}-")
    counted = select(func.count()).select_from(JOB_EVENTS).where(*named)
    return f"{news.key}-{connection.execute(counted).scalar_one() + 1}"


def number_of(job_id: str, event_id: str) -> int:
    """The place of an event among those of its job. Raises EventNotFound."""
    job, _, number = event_id.removeprefix(ID_PREFIX).rpartition("-")
    if job != job_id.rpartition("-")[2] or not number.isdecimal() or len(number) > 9:
        raise EventNotFound(event_id)
    return int(number)


def _event(row: Row[Any]) -> Event:
    return Event(row.job_id, row.number, row.created, row.level, row.message, row.data)
