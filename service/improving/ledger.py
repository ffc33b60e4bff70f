"""The ledger: what was decided of adapters, by whom and why. Entries are added, never changed."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, func, insert, select

from service.state.database import State
from service.state.tables import LEDGER

What = Literal["promote", "refuse", "abstain", "override", "share", "moved", "rollback", "forget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    adapter: str
    what: What
    who: str = ""  # a key's id, or who it was otherwise; "": nobody's key
    round: int | None = None  # of the adapter's improvements
    before: str | None = None  # name@number that was promoted
    after: str | None = None  # name@number that it is about
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])  # reasons, numbers, hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Entry):
    number: int
    place: str  # the home whose adapter it is
    created: int  # [Unix seconds]
    sha256: str  # of all this and of the entry before, in hex


class Ledger:
    """The entries of one home. Each has the hash of the one before in its own, whatever home that
    is of, so that what was changed or taken out is noticed.

    Every method asks the database, so call from threads. All raise StateUnavailable where it does
    not answer.
    """

    def __init__(self, state: State, place: str, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._place = place
        self._clock = clock

    def add(self, entry: Entry, together: Callable[[Connection], None] = lambda _: None) -> Written:
        """Write an entry, and in the same transaction what goes `together` with it."""

        def write(connection: Connection) -> Written:
            last = select(LEDGER.c.number, LEDGER.c.sha256).order_by(LEDGER.c.number.desc())
            found = connection.execute(last.limit(1)).first()
            number, before = found or (0, "")
            row: dict[str, Any] = asdict(entry) | {
                "number": number + 1,
                "place": self._place,
                "created": int(self._clock()),
            }
            written = Written(**row, sha256=_digest(before, row))
            connection.execute(insert(LEDGER).values(asdict(written)))
            together(connection)
            return written

        return self._state.write(write)

    def entries(self, adapter: str | None = None, limit: int | None = None) -> list[Written]:
        """The newest first."""
        asked = select(LEDGER).where(LEDGER.c.place == self._place)
        if adapter is not None:
            asked = asked.where(LEDGER.c.adapter == adapter)
        with self._state.begin() as connection:
            rows = connection.execute(asked.order_by(LEDGER.c.number.desc()).limit(limit))
            return [_written(row) for row in rows.mappings()]

    def last_round(self, adapter: str) -> int:
        """The number of the last round that was decided; 0 before the first."""
        asked = select(func.coalesce(func.max(LEDGER.c.round), 0))
        where = LEDGER.c.place == self._place, LEDGER.c.adapter == adapter
        with self._state.begin() as connection:
            return int(connection.execute(asked.where(*where)).scalar_one())

    def first_changed(self) -> int | None:
        """The number of the first entry, of any home, that is not as it was written or whose
        predecessor is not; None where all are."""
        with self._state.begin() as connection:
            rows = connection.execute(select(LEDGER).order_by(LEDGER.c.number)).mappings().all()
        return _first_changed([_written(row) for row in rows])


def _first_changed(entries: Sequence[Written]) -> int | None:
    before, number = "", 0
    for entry in entries:
        row = asdict(entry)
        kept = row.pop("sha256")
        if entry.number != number + 1 or _digest(before, row) != kept:
            return entry.number
        before, number = kept, entry.number
    return None


def _digest(before: str, row: Mapping[str, Any]) -> str:
    said = json.dumps(row, ensure_ascii=False, sort_keys=True)
    return sha256(f"{before}\n{said}".encode("utf-8", "surrogatepass")).hexdigest()


def _written(row: RowMapping) -> Written:
    return Written(**{str(key): value for key, value in row.items()})
