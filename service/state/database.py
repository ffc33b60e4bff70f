"""Where the service's state lies: tables in SQLite under home, or in any database of SQLAlchemy's.

Opening brings the tables up to date, whichever process comes first; the others wait for it.
"""

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import StateUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

logger = logging.getLogger(__name__)

STATE_FILE = "state.db"  # below home
TRIES = 20  # of a write where others write at the same moment
PATIENCE = 15  # [seconds] to wait for a connection or another process's transaction
TIMEOUTS = {"sqlite": "timeout", "postgresql": "connect_timeout"}  # what drivers call that
MIGRATIONS = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 0x6C6F7261  # any number, as long as nobody else in the database takes it
DRIVERS = {"psycopg": "postgres"}  # with the extra that brings each

Written = TypeVar("Written")


class State:
    """An open database whose tables are up to date. Every method may wait: call from threads."""

    def __init__(self, engine: Engine, *, is_read_only: bool = False) -> None:
        self._engine = engine
        self.is_read_only = is_read_only

    @contextmanager
    def begin(self, **options: Any) -> Generator[Connection]:
        """A transaction, committed at the end of the block. Raises StateUnavailable."""
        try:
            with self._engine.execution_options(**options).begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            if not _is_outage(error):
                raise
            raise _unavailable(self._engine.url, error) from error

    def write(self, act: Callable[[Connection], Written]) -> Written:
        """Look and write in one transaction; again, where somebody else has taken meanwhile what
        has to be unique. Raises StateUnavailable, and IntegrityError where that goes on."""
        for _ in range(TRIES - 1):
            with suppress(IntegrityError), self.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
                return act(connection)
        with self.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            return act(connection)

    def wipe(self) -> None:
        """Leave nothing in SQLite's log of what has been deleted, as far as nobody reads it."""
        if self._engine.dialect.name != "sqlite":
            return
        try:
            with self.begin(sqlite_begin="") as connection:
                told = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            is_busy = told[0] != 0
        except StateUnavailable:
            is_busy = True
        if is_busy:
            logger.warning("What was deleted stays in the database's log until it is next cut.")

    def close(self) -> None:
        self._engine.dispose()


def open_state(home: Path, database: str | None = None) -> State:
    """Open the database, home/state.db where none is named, and bring its tables up to date.

    Raises StateUnavailable where it cannot be reached, lacks a driver or is of a newer program.
    """
    own = URL.create("sqlite", database=str(home / STATE_FILE))
    state = State(_connect(own if database is None else _parse(database)))
    try:
        _migrate(state)
    except BaseException:
        state.close()
        raise
    return state


def _parse(database: str) -> URL:
    try:
        url = make_url(database)
    except ArgumentError:
        raise StateUnavailable(  # without the value: it may hold a password
            "The database's URL cannot be read. Write it as postgresql://user@host/name or "
            "sqlite:////folder/state.db."
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _connect(url: URL) -> Engine:
    options: dict[str, Any] = {}
    if url.get_backend_name() in TIMEOUTS:
        options[TIMEOUTS[url.get_backend_name()]] = PATIENCE
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=options, hide_parameters=True)
    except NoSuchModuleError:
        raise StateUnavailable(
            f"No database of the kind {url.drivername!r} is known. Use sqlite or postgresql."
        ) from None
    except ModuleNotFoundError as error:
        raise _driver_missing(url, str(error.name)) from None
    if engine.dialect.is_async:
        raise StateUnavailable(f"The driver of {url.drivername!r} is asynchronous. Name another.")
    if engine.dialect.name == "sqlite":
        _make_private(url)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(url: URL) -> None:
    """Make the file here: SQLite would let everybody read it. Its other files follow its mode."""
    if url.database in (None, "", ":memory:"):
        raise StateUnavailable(f"{url} is kept in memory, where nobody else finds it. Name a file.")
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # One that is there is not opened: closing it would take away the locks that another
        # connection of this process has on it, which then sees nothing of what others write.
        if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
            told = f"Cannot keep the state in {path}: it is no file that may be written."
            raise StateUnavailable(told) from None
    except OSError as error:
        raise StateUnavailable(f"Cannot keep the state in {path}: {error.strerror}.") from error


def _driver_missing(url: URL, package: str) -> StateUnavailable:
    known = DRIVERS.get(package)
    advice = f"pip install 'lora-chat[{known}]'" if known else "Install a driver that has it."
    return StateUnavailable(
        f"The database {url.render_as_string()} needs the Python module {package}, which is not "
        f"installed: {advice}"
    )


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # or Python begins transactions itself, but not for DDL
    # What has been committed survives a power cut: a job that was accepted is there afterwards.
    # What is deleted is overwritten: it may be what somebody wants forgotten.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    if begin := connection.get_execution_options().get("sqlite_begin", "BEGIN"):
        connection.exec_driver_sql(begin)


def migration_config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def versions_of(state: State, config: "Config") -> tuple[set[str], set[str]]:
    """The versions of the tables: what the database has, and what this program makes.

    Raises StateUnavailable for those of a newer program.
    """
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in scripts.walk_revisions()}
    with state.begin() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := present - known:
        raise StateUnavailable(
            f"The database was written by a newer lora-chat (its tables are of version "
            f"{', '.join(sorted(unknown))}, this program knows {', '.join(sorted(known))}). "
            "Update lora-chat, or go back to a copy of the database from before."
        )
    return present, set(scripts.get_heads())


def _migrate(state: State) -> None:
    from alembic import command

    config = migration_config()
    present, wanted = versions_of(state, config)
    if present == wanted:
        return
    with state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")  # does nothing where another process was faster


def _is_outage(error: DBAPIError | PoolTimeout) -> bool:
    """The database's fault, not that of a statement of ours."""
    # SQLite has no class of its own for a file of something else.
    return isinstance(error, (PoolTimeout, OperationalError, InterfaceError)) or (
        type(error) is DatabaseError
    )


def _unavailable(url: URL, error: Exception) -> StateUnavailable:
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).splitlines()), type(cause).__name__)
    return StateUnavailable(f"The database {url.render_as_string()} does not answer: {first}.")
