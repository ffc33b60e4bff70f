"""The state below a home that may not be written: what lies there is read, nothing is counted."""

import os
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import URL

from service.errors import StateUnavailable

from .database import STATE_FILE, State, migration_config, open_state, versions_of


def open_served_state(home: Path, database: str | None = None) -> State | None:
    """Open the state as `open_state` does, and for a home that may not be written, too.

    None where nothing lies there: nobody is asked for a key then. Raises StateUnavailable.
    """
    path = home / STATE_FILE
    if database is not None or _may_write(path):
        return open_state(home, database)
    return open_read_only(path) if path.is_file() else None


def _may_write(path: Path) -> bool:
    """SQLite makes files of its own beside a database."""
    folder = next(parent for parent in path.parents if parent.exists())
    as_this_process = os.access in os.supports_effective_ids
    return all(
        os.access(place, os.W_OK, effective_ids=as_this_process)
        for place in (folder, path)
        if place.exists()
    )


def open_read_only(path: Path) -> State:
    """Raises StateUnavailable where its tables are not up to date."""
    query = {"uri": "true", "mode": "ro"}
    recent = path.with_name(f"{path.name}-wal")  # what another process has written last
    if not (recent.exists() and recent.stat().st_size):
        query["immutable"] = "1"  # or SQLite would make files beside it
    url = URL.create("sqlite", database=path.as_uri(), query=query)
    state = State(create_engine(url, poolclass=NullPool), is_read_only=True)
    present, wanted = versions_of(state, migration_config())
    if present != wanted:
        raise StateUnavailable(
            f"{path} is of an older lora-chat, and may not be written to bring it up to date. "
            "Start this version once where it may."
        )
    return state
