"""A home's state as commands open it: that of the server which has the same settings."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.settings import ServiceSettings
    from service.state.database import State


@contextmanager
def opened(
    home: Path | None, database: str | None = None, config: Path | None = None
) -> "Generator[State]":
    """Raises ConfigError and StateUnavailable."""
    with closing(state_of(settings_of(home, database, config))) as state:
        yield state


@contextmanager
def opened_home(
    home: Path | None, database: str | None = None, config: Path | None = None
) -> "Generator[tuple[State, Path, str]]":
    """The state, the home, and what the home is called there. Raises as `opened` does."""
    from service.jobs.desk import place_of

    settings = settings_of(home, database, config)
    with closing(state_of(settings)) as state:
        yield state, settings.home, place_of(settings.home) or ""


def settings_of(
    home: Path | None, database: str | None = None, config: Path | None = None
) -> "ServiceSettings":
    """Those of a server with these options, its environment and its file. Raises ConfigError."""
    from service.configuration import resolve_settings

    return resolve_settings({"home": home, "database": database}, config=config).settings


def state_of(settings: "ServiceSettings") -> "State":
    """Raises StateUnavailable."""
    from service.state.database import open_state

    return open_state(settings.home, settings.database)
