"""The files of people and jobs: rows in the database, content on the disk, and both together."""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from service.accounts.caller import Caller
from service.errors import FileNotFound, LimitReached
from service.state.database import State
from service.state.tables import FILES, KEYS

from .arrival import Arrival
from .shelf import Shelf
from .stored_file import ID_PREFIX, PURPOSES, FileStatus, Purpose, StoredFile

ID = re.compile(rf"{ID_PREFIX}[0-9a-f]{{24}}")
MOST_LISTED = 10_000
MISSING = "Its content is missing from the server's disk. Delete it, and upload it again."
Order = Literal["asc", "desc"]


class Files:
    """All files. Every method asks the database or the disk, so call from threads.

    All raise StateUnavailable where the database does not answer.
    """

    def __init__(
        self, state: State, home: Path, place: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._state = state
        self._shelf = Shelf(home)
        self.place = place
        self._clock = clock

    def find(self, file_id: str) -> StoredFile:
        """Raises FileNotFound."""
        if not ID.fullmatch(file_id):
            raise FileNotFound(file_id)
        with self._state.begin() as connection:
            asked = select(FILES).where(FILES.c.id == file_id, self._is_alive())
            row = connection.execute(asked).mappings().first()
        if row is None:
            raise FileNotFound(file_id)
        return self._file(row)

    def find_owned(self, file_id: str, caller: Caller) -> StoredFile:
        """Raises FileNotFound for those of others, too."""
        file = self.find(file_id)
        if not caller.owns(file.key_id):
            raise FileNotFound(file_id)
        return file

    def path(self, file: StoredFile) -> Path:
        """Where its content lies, or would lie if this home had it."""
        return self._shelf.path(file.id, file.filename)

    def has_content(self, file: StoredFile) -> bool:
        return file.place == self.place and self.path(file).is_file()

    def arrival(self, caller: Caller, limit: int, most: int) -> Arrival:
        """What a file of the caller's can come in by; `limit` is how large it may be, `most` how
        many they may have. Close it in any case. Raises LimitReached."""
        with self._state.begin() as connection:
            left = self._check_limits(connection, caller, 0, most)
        return Arrival(self._shelf, self._new_id(), limit, left)

    def add(
        self,
        arrived: Arrival,
        caller: Caller,
        *,
        purpose: Purpose,
        most: int,
        seconds: int | None = None,
    ) -> StoredFile:
        """Let a file that has come in be there, for so many seconds. Raises LimitReached."""
        row = self._row(arrived, caller.owner, purpose, "uploaded", seconds)
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            # Of two that come at once, one waits here: SQLite has one writer anyway.
            locked = select(KEYS.c.id).where(KEYS.c.id == caller.owner).with_for_update()
            connection.execute(locked).first()
            self._check_limits(connection, caller, arrived.num_bytes, most)
            connection.execute(insert(FILES).values(row))
        arrived.keep()
        return self.find(arrived.id)

    def keep(
        self,
        key_id: str,
        filename: str,
        purpose: Purpose,
        content: bytes,
        made_for: str | None = None,
    ) -> StoredFile:
        """A file of the server's own making for a key, such as a job's result. What is made for the
        same thing again is the same file. Raises DiskFull."""
        file_id = self._new_id() if made_for is None else self.id_for(made_for)
        with suppress(FileNotFound):
            return self.find(file_id)
        with closing(Arrival(self._shelf, file_id, len(content), None)) as arrival:
            arrival.begin(filename)
            arrival.write(content)
            arrival.end()
            row = self._row(arrival, key_id, purpose, "processed", None)
            with self._state.begin() as connection:
                connection.execute(insert(FILES).values(row))
            arrival.keep()
        return self.find(arrival.id)

    @staticmethod
    def id_for(made_for: str) -> str:
        """The id of the file that `keep` makes for a thing."""
        return f"{ID_PREFIX}{sha256(made_for.encode()).hexdigest()[:24]}"

    def settle(
        self, file_id: str, status: FileStatus, details: str | None, num_conversations: int | None
    ) -> None:
        """Say what a check has found of a file that was not checked before."""
        unchecked = FILES.c.id == file_id, FILES.c.status == "uploaded"
        found = {
            "status": status,
            "status_details": details,
            "num_conversations": num_conversations,
        }
        with self._state.begin() as connection:
            connection.execute(update(FILES).where(*unchecked).values(found))

    def unchecked(self, seconds: int = 0) -> list[StoredFile]:
        """Those of this home that have waited so long for a check, the oldest first."""
        waiting = FILES.c.status == "uploaded", FILES.c.created <= int(self._clock()) - seconds
        where = FILES.c.place == self.place, *waiting, self._is_alive()
        with self._state.begin() as connection:
            asked = select(FILES).where(*where).order_by(FILES.c.created, FILES.c.id)
            files = [self._file(row) for row in connection.execute(asked).mappings()]
        return [file for file in files if file.status == "uploaded"]

    def remove(self, file_id: str) -> None:
        """Raises FileNotFound. Of a file in another home, that home removes the content."""
        self.find(file_id)
        with self._state.begin() as connection:
            connection.execute(delete(FILES).where(FILES.c.id == file_id))
        self._shelf.remove(file_id)

    def sweep(self) -> None:
        """Remove what has expired in this home, and what was left by those who were killed."""
        expired = FILES.c.place == self.place, ~self._is_alive()
        with self._state.begin() as connection:
            connection.execute(delete(FILES).where(*expired))
        for file_id in self._shelf.file_ids():
            with self._shelf.if_left(file_id) as is_left:
                if is_left and not self._has_row(file_id):
                    self._shelf.remove(file_id)

    def list(
        self,
        owner: str | None = None,
        purpose: str | None = None,
        after: str | None = None,
        limit: int = MOST_LISTED,
        order: Order = "desc",
    ) -> Sequence[StoredFile]:
        """Those of one owner, or of all, behind the one with the id `after`. Raises FileNotFound
        where there is none of that id."""
        where: list[ColumnElement[bool]] = [self._is_alive()]
        if owner is not None:
            where.append(FILES.c.key_id == owner)
        if purpose is not None and purpose not in PURPOSES:
            return []
        if purpose is not None:
            where.append(FILES.c.purpose == purpose)
        if after is not None:
            where.append(_is_behind(self.find(after), order))
        columns = (FILES.c.created, FILES.c.id)
        by = [column.asc() if order == "asc" else column.desc() for column in columns]
        with self._state.begin() as connection:
            rows = connection.execute(select(FILES).where(*where).order_by(*by).limit(limit))
            return [self._file(row) for row in rows.mappings()]

    def _is_alive(self) -> ColumnElement[bool]:
        return FILES.c.expires.is_(None) | (FILES.c.expires > int(self._clock()))

    def _new_id(self) -> str:
        """Later ones are larger, so that files of one second have an order, too."""
        return f"{ID_PREFIX}{int(self._clock() * 1000):012x}{secrets.token_hex(6)}"

    def _has_row(self, file_id: str) -> bool:
        with self._state.begin() as connection:
            asked = select(FILES.c.id).where(FILES.c.id == file_id)
            return connection.execute(asked).first() is not None

    def _check_limits(
        self, connection: Connection, caller: Caller, num_bytes: int, most: int
    ) -> int | None:
        """How many more bytes the caller may have; None: any number. Raises LimitReached."""
        of_all = select(func.count(), func.coalesce(func.sum(FILES.c.num_bytes), 0))
        mine = of_all.where(FILES.c.key_id == caller.owner, self._is_alive())
        number, used = connection.execute(mine).one()
        if number >= most:
            raise LimitReached(
                f"A key may have {most} files (the server's setting max_files), and this one has "
                f"{number}. Delete files that nobody needs."
            )
        largest = caller.limits.max_file_bytes
        if largest is None:
            return None
        if used + max(num_bytes, 1) > largest:
            raise LimitReached(
                f"This key may have {largest} bytes of files together, and has {used}. Delete "
                "files that nobody needs."
            )
        return largest - int(used)

    def _row(
        self,
        arrival: Arrival,
        key_id: str,
        purpose: Purpose,
        status: FileStatus,
        seconds: int | None,
    ) -> dict[str, Any]:
        now = int(self._clock())
        return {
            "id": arrival.id,
            "key_id": key_id,
            "place": self.place,
            "filename": arrival.filename,
            "purpose": purpose,
            "num_bytes": arrival.num_bytes,
            "status": status,
            "created": now,
            "expires": None if seconds is None else now + seconds,
        }

    def _file(self, row: RowMapping) -> StoredFile:
        values: dict[str, Any] = {str(key): value for key, value in row.items()}
        file = StoredFile(**values)
        if file.place != self.place or self.path(file).is_file():
            return file
        return replace(file, status="error", status_details=MISSING)


def _is_behind(file: StoredFile, order: Order) -> ColumnElement[bool]:
    created, file_id = FILES.c.created, FILES.c.id
    if order == "asc":
        return (created > file.created) | ((created == file.created) & (file_id > file.id))
    return (created < file.created) | ((created == file.created) & (file_id < file.id))
