"""What each key has asked for: counted in memory, written to the database every few seconds."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import StateUnavailable
from service.state.database import State
from service.state.tables import USAGE

from .keys import DAY, day_of

logger = logging.getLogger(__name__)

FLUSH_EVERY = 3.0  # [seconds]; a killed server loses no more than that
MAX_MODEL = 512  # [characters]; of a long blend the rest is cut


@dataclass(frozen=True, slots=True)
class Account:
    """What usage is counted for."""

    key_id: str  # "": asked without a key
    model: str
    day: str


@dataclass(slots=True)
class Count:
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, other: "Count") -> None:
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens


class UsageLedger:
    """Takes counts from the event loop without waiting; a thread of its own writes them down."""

    def __init__(
        self, state: State, interval: float = FLUSH_EVERY, clock: Callable[[], float] = time.time
    ) -> None:
        self._state = state
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[Account, Count] = {}
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._has_failed = False

    def add(self, key_id: str | None, model: str, count: Count) -> None:
        if self._state.is_read_only:
            return
        account = Account(key_id or "", model[:MAX_MODEL], day_of(self._clock()))
        with self._lock:
            self._counts.setdefault(account, Count()).add(count)

    def start(self) -> None:
        self._is_stopping.clear()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write the rest down. Waits for the database."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def flush(self) -> None:
        """Write what has been counted; what cannot be written is kept for the next time."""
        with self._lock:
            taken, self._counts = self._counts, {}
        if not taken:
            return
        try:
            with self._state.begin() as connection:
                for account, count in sorted(taken.items(), key=lambda item: str(item[0])):
                    _add(connection, account, count)
        except StateUnavailable as error:
            self._put_back(taken)
            self._warn(error)
        else:
            self._has_failed = False

    def _run(self) -> None:
        while not self._is_stopping.wait(self._interval):
            self.flush()
        self.flush()

    def _put_back(self, taken: dict[Account, Count]) -> None:
        with self._lock:
            for account, count in taken.items():
                self._counts.setdefault(account, Count()).add(count)

    def _warn(self, error: StateUnavailable) -> None:
        if not self._has_failed:
            logger.warning("Usage is counted on, but cannot be written: %s", error)
        self._has_failed = True


def read_usage(state: State, days: int | None, now: float) -> list[tuple[Account, Count]]:
    """What was used, by day, key and model; of the last `days` days, today among them."""
    wanted = select(USAGE).order_by(USAGE.c.day, USAGE.c.key_id, USAGE.c.model)
    if days is not None:
        wanted = wanted.where(USAGE.c.day >= day_of(now - (days - 1) * DAY))
    with state.begin() as connection:
        rows = connection.execute(wanted).all()
    return [
        (
            Account(row.key_id, row.model, row.day),
            Count(row.requests, row.prompt_tokens, row.completion_tokens),
        )
        for row in rows
    ]


def _add(connection: Connection, account: Account, count: Count) -> None:
    """Add a count to its account. Accounts come in sorted order, so that two servers on one
    database never wait for each other in turn."""
    if _increase(connection, account, count):
        return
    try:
        with connection.begin_nested():
            connection.execute(
                insert(USAGE).values(
                    key_id=account.key_id,
                    model=account.model,
                    day=account.day,
                    requests=count.requests,
                    prompt_tokens=count.prompt_tokens,
                    completion_tokens=count.completion_tokens,
                )
            )
    except IntegrityError:  # another server on this database was faster
        _increase(connection, account, count)


def _increase(connection: Connection, account: Account, count: Count) -> bool:
    same = (
        (USAGE.c.key_id == account.key_id)
        & (USAGE.c.model == account.model)
        & (USAGE.c.day == account.day)
    )
    increased = (
        update(USAGE)
        .where(same)
        .values(
            requests=USAGE.c.requests + count.requests,
            prompt_tokens=USAGE.c.prompt_tokens + count.prompt_tokens,
            completion_tokens=USAGE.c.completion_tokens + count.completion_tokens,
        )
    )
    return connection.execute(increased).rowcount > 0
