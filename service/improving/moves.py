"""Moves of what an adapter's name means: promoted, shared out, rolled back, by whomever."""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from data.wording import _
from finetune.adapters.share import Share
from finetune.adapters.versions import promoted_version, share_of
from finetune.errors import ConfigError
from finetune.improving.correction import Side
from service.errors import JobRefused, StateUnavailable
from service.feedback.using import keep_back, ship
from service.state.database import State

from .ledger import Entry, Ledger, What, Written
from .round import Round

logger = logging.getLogger(__name__)

MOVES: tuple[What, ...] = ("promote", "override", "share", "rollback", "moved")


class Moves:
    """Knows the moves of one home. Every method asks the database: raises StateUnavailable."""

    def __init__(self, state: State, place: str, home: Path) -> None:
        self._home = home
        self._adapters = home / "adapters"
        self._ledger = Ledger(state, place)

    def newest(self, adapter: str) -> Written | None:
        moves = (each for each in self._ledger.entries(adapter) if each.what in MOVES)
        return next(moves, None)

    def add(self, entry: Entry) -> Written:
        """Write down a move. Where a version had a share before, what it was trained on is shipped
        if that version answers all from now on, and waits for another one if not."""
        newest = self.newest(entry.adapter)
        if newest is None or newest.what != "share":
            return self._ledger.add(entry)
        sides = self._sides(newest)

        def together(connection: Connection) -> None:
            if entry.after is not None and entry.after == newest.after:
                ship(connection, sides, entry.after)
            else:
                keep_back(connection, sides)

        return self._ledger.add(entry, together)

    @contextmanager
    def by_person(self, adapter: str, who: str = "") -> Generator[None]:
        """A block in which somebody moves what a name means, to be written down if it has: where
        that cannot be, it is moved all the same, and the log says so."""
        before = self._meaning(adapter)
        yield
        after = self._meaning(adapter)
        if after == before:
            return
        try:
            self._note(adapter, who, before[0], *after)
        except (StateUnavailable, SQLAlchemyError) as error:
            logger.warning(
                "The ledger does not know that %s means %s: %s", adapter, after[0], error
            )

    def _note(
        self, adapter: str, who: str, old: str | None, promoted: str | None, share: Share | None
    ) -> None:
        entry = partial(Entry, adapter=adapter, who=who)
        if share is None:  # another one is promoted, or the promoted one answers all again
            self.add(entry(what="moved", before=old, after=promoted))
        else:
            shared, told = f"{adapter}@{share.version}", {"percent": share.percent}
            self.add(entry(what="share", before=promoted, after=shared, told=told))

    def _meaning(self, adapter: str) -> tuple[str | None, Share | None]:
        """The promoted version, and how much another one answers."""
        number = promoted_version(self._adapters, adapter)
        return number and f"{adapter}@{number}", share_of(self._adapters, adapter)

    def _sides(self, shared: Written) -> Mapping[str, Side]:
        """What the version that was given a share was made of; nothing where a person gave it."""
        try:
            return Round(self._home, shared.adapter, shared.round or 0).sides()
        except ConfigError:  # somebody has removed it
            return {}


def check_no_share(adapters: Path, adapter: str) -> None:
    """Raises JobRefused where a version has a share: what would a candidate be compared with?"""
    share = share_of(adapters, adapter)
    if share is None:
        return
    told = _(
        "{name}@{version} answers {percent} percent of the requests, and ratings decide whether it "
        "gets all. To decide now: lora-chat adapters promote {name}@{version}, or lora-chat "
        "adapters share {name} 0%"
    )
    raise JobRefused(told.format(name=adapter, version=share.version, percent=share.percent))
