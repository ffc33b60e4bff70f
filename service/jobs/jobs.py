"""The jobs in the state: made, found, and moved from one status to the next."""

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from service.errors import JobNotFound, LimitReached, NameTaken
from service.state.database import State
from service.state.rows import has_all, next_number
from service.state.tables import JOBS

from .events import News, write_news
from .job import ENDED, ID_PREFIX, FineTuningJob, JobError, NewJob, Status

ID = re.compile(rf"{ID_PREFIX}[0-9A-Za-z]{{1,32}}")


class Jobs:
    """The jobs in the state. Every method asks the database, so call from threads.

    All raise StateUnavailable where it does not answer.
    """

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self.state = state
        self._clock = clock

    def add(
        self,
        new: NewJob,
        *,
        status: Status = "validating_files",
        most: int | None = None,
        claims: bool = False,
        news: Sequence[News] = (),
        **values: Any,
    ) -> FineTuningJob:
        """Put a job at the end of the queue, and tell of it.

        Raises LimitReached where its key has `most` jobs already that have not ended, and NameTaken
        where it `claims` a new name that another key's unfinished job is about to make.
        """
        row = {
            **_row(new),
            "status": status,
            "created": int(self._clock()),
            "step": 0,
            "num_starts": 0,
            "result_files": [],
            "has_leftovers": False,
            **values,
        }

        def write(connection: Connection) -> None:
            # First of all: whoever adds a job after this look takes the number.
            number = connection.execute(next_number(JOBS)).scalar_one()
            if most is not None:
                _check_number(connection, new, most)
            if claims:
                _check_unclaimed(connection, new)
            connection.execute(insert(JOBS).values(row | {"number": number}))
            write_news(connection, new.id, news, int(self._clock()))

        self.state.write(write)
        return self.find(new.id)

    def find(self, job_id: str) -> FineTuningJob:
        """Raises JobNotFound."""
        if not ID.fullmatch(job_id):  # a database need not take every text
            raise JobNotFound(job_id)
        with self.state.begin() as connection:
            found = connection.execute(select(JOBS).where(JOBS.c.id == job_id))
            row = found.mappings().first()
        if row is None:
            raise JobNotFound(job_id)
        return _job(row)

    def of_run(self, place: str, run: str) -> FineTuningJob | None:
        """The last job of a home whose run has that folder."""
        where = JOBS.c.place == place, JOBS.c.run == run
        with self.state.begin() as connection:
            found = connection.execute(select(JOBS).where(*where).order_by(JOBS.c.number.desc()))
            row = found.mappings().first()
        return None if row is None else _job(row)

    def newest(
        self,
        *,
        key_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        statuses: Collection[Status] = (),
        metadata: Mapping[str, str] | None = None,
        without_metadata: bool = False,
    ) -> list[FineTuningJob]:
        """Jobs, newest first: those of a key, of some statuses, that have all of the metadata or
        none at all, and that came before the job `after`. Raises JobNotFound for an unknown
        `after`."""
        where: list[ColumnElement[bool]] = []
        if key_id is not None:
            where.append(JOBS.c.key_id == key_id)
        if statuses:
            where.append(JOBS.c.status.in_(statuses))
        if after is not None:
            where.append(JOBS.c.number < self.find(after).number)
        if without_metadata:
            where.append(JOBS.c.job_metadata.is_(None))
        asked = select(JOBS).where(*where).order_by(JOBS.c.number.desc())
        with self.state.begin() as connection:
            if not metadata:
                return [_job(row) for row in connection.execute(asked.limit(limit)).mappings()]
            jobs = map(_job, connection.execute(asked).mappings())
            return [*islice((job for job in jobs if has_all(job.metadata, metadata)), limit)]

    def trained_tokens(self, key_id: str, since: float) -> int:
        """What the jobs of a key that have ended since then have trained on."""
        ended = JOBS.c.key_id == key_id, JOBS.c.finished >= since
        summed = select(func.coalesce(func.sum(JOBS.c.trained_tokens), 0)).where(*ended)
        with self.state.begin() as connection:
            return int(connection.execute(summed).scalar_one())

    def open(self, place: str) -> list[FineTuningJob]:
        """The jobs of a home that something is to be done for yet, oldest first."""
        is_open = JOBS.c.status.not_in(ENDED) | JOBS.c.has_leftovers
        asked = select(JOBS).where(JOBS.c.place == place, is_open).order_by(JOBS.c.number)
        with self.state.begin() as connection:
            return [_job(row) for row in connection.execute(asked).mappings()]

    def move(
        self,
        job_id: str,
        of: Sequence[Status],
        to: Status | None = None,
        *,
        news: Sequence[News] = (),
        **values: Any,
    ) -> bool:
        """Set a job's status and other values and tell of it, where its status is one `of` these at
        this moment.

        Returns whether that was so.
        """
        if to is not None:
            values["status"] = to
            if to in ENDED:
                values["finished"] = int(self._clock())
        if isinstance(error := values.get("error"), JobError):
            values["error"] = asdict(error)
        changed = update(JOBS).where(JOBS.c.id == job_id, JOBS.c.status.in_(of)).values(values)

        def write(connection: Connection) -> bool:
            is_so = connection.execute(changed).rowcount == 1
            if is_so and news:
                write_news(connection, job_id, news, int(self._clock()))
            return is_so

        return self.state.write(write)

    def fail(self, job_id: str, of: Sequence[Status], error: JobError) -> bool:
        """End a job with an error, where its status is one `of` these at this moment."""
        told = News("failed", error.message, level="error", may_recur=True)
        return self.move(job_id, of, "failed", news=[told], error=error, estimated_finish=None)


def _check_number(connection: Connection, new: NewJob, most: int) -> None:
    unfinished = JOBS.c.key_id == new.key_id, JOBS.c.status.not_in(ENDED)
    counted = select(func.count()).select_from(JOBS).where(*unfinished)
    number = connection.execute(counted).scalar_one()
    if number >= most:
        raise LimitReached(
            f"This key may have {most} unfinished jobs, and has {number}. Wait until one ends, or "
            "cancel one."
        )


def _check_unclaimed(connection: Connection, new: NewJob) -> None:
    claims = JOBS.c.name == new.name, JOBS.c.key_id != new.key_id, JOBS.c.status.not_in(ENDED)
    if connection.execute(select(JOBS.c.id).where(*claims).limit(1)).first() is not None:
        raise NameTaken(new.name)


def _row(new: NewJob) -> dict[str, Any]:
    row = asdict(new)
    row["job_metadata"] = row.pop("metadata")
    return row


def _job(row: RowMapping) -> FineTuningJob:
    values: dict[str, Any] = {str(key): value for key, value in row.items()}
    values["metadata"] = values.pop("job_metadata")
    values["result_files"] = tuple(values["result_files"])
    values["error"] = JobError(**values["error"]) if values["error"] else None
    return FineTuningJob(**values)
