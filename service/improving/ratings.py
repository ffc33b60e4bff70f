"""Ratings of a new version: a worse one goes back by itself, a good one's share becomes all."""

import logging
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from data.wording import N_
from finetune.adapters.versions import list_versions, promote, promoted_version, share_of
from service.errors import JobRefused, StateUnavailable
from service.feedback.feedback import IMPORTED, pinned_to
from service.feedback.item import FeedbackItem
from service.state.database import State
from service.state.tables import FEEDBACK

from .ledger import Entry, What, Written
from .moves import Moves
from .round import alone

logger = logging.getLogger(__name__)

FEWEST = 10  # ratings of each version
LEVEL = 0.95
WATCHED: tuple[What, ...] = ("promote", "override", "share")  # moves that ratings may undo


@dataclass(frozen=True, slots=True)
class Ratings:
    down: int
    count: int

    @property
    def rate(self) -> float:
        return self.down / self.count

    @property
    def highest(self) -> float:
        """The upper end of the rate's interval (Wilson 1927, without continuity correction)."""
        z = NormalDist().inv_cdf((1 + LEVEL) / 2)
        middle = self.rate + z**2 / (2 * self.count)
        width = z * (self.rate * (1 - self.rate) / self.count + (z / (2 * self.count)) ** 2) ** 0.5
        return (middle + width) / (1 + z**2 / self.count)


class RatingsWatch:
    """Compares the ratings of a promoted version with those of the one before it.

    Every method asks the database, so call from threads.
    """

    def __init__(self, state: State, place: str, home: Path) -> None:
        self._state = state
        self._place = place
        self._home = home
        self._adapters = home / "adapters"
        self._moves = Moves(state, place, home)

    def after(self, item: FeedbackItem) -> None:
        """Look whether what somebody has just said is what was missing. Never raises: it was said.

        Good ratings matter to a version that has a share alone.
        """
        if item.rating is None or "+" in item.pinned:
            return
        try:
            adapter = item.pinned.partition("@")[0]
            if item.rating == -1 or share_of(self._adapters, adapter):
                with alone(self._home, adapter):
                    self.look(adapter)
        except (JobRefused, StateUnavailable, SQLAlchemyError, OSError) as error:
            logger.warning("Whether %s is worse is not known: %s", item.pinned, error)

    def look(self, adapter: str) -> Written | None:
        """Roll an adapter back where the new version's share of bad ratings leaves the interval of
        the old one's; let a version that has a share of the requests answer all, where it does not.
        Returns the ledger's entry, if so. Raises StateUnavailable, and OSError where nothing can be
        promoted."""
        newest = self._moves.newest(adapter)
        if newest is None or newest.what not in WATCHED or not self._is_so_still(newest):
            return None
        before, after = newest.before or "", newest.after or ""
        new_ratings, old_ratings = self.ratings(after), self.ratings(before)
        if min(new_ratings.count, old_ratings.count) < FEWEST:
            return None
        is_worse = new_ratings.rate > old_ratings.highest
        if not is_worse and newest.what != "share":
            return None
        stays = before if is_worse else after
        promote(self._adapters, adapter, stays.partition("@")[2])
        reason = N_(
            "{after}: {down} of {count} ratings were bad; of {before}, {old_down} of {old_count}."
        ).format(
            after=after,
            before=before,
            down=new_ratings.down,
            count=new_ratings.count,
            old_down=old_ratings.down,
            old_count=old_ratings.count,
        )
        logger.warning("%s means %s now. %s", adapter, stays, reason)
        return self._moves.add(
            Entry(
                adapter=adapter,
                what="rollback" if is_worse else "promote",
                who="ratings",
                before=after if is_worse else before,
                after=stays,
                told={"reasons": [reason]},
            )
        )

    def _is_so_still(self, move: Written) -> bool:
        """Whether an adapter means what it did after a move, and the version before is there."""
        adapter, old, new = move.adapter, _number(move.before), _number(move.after)
        if old not in list_versions(self._adapters, adapter):
            return False
        if move.what != "share":
            return promoted_version(self._adapters, adapter) == new
        share = share_of(self._adapters, adapter)
        return share is not None and (share.beside, share.version) == (old, new)

    def ratings(self, version: str) -> Ratings:
        """What was said here of the answers of name@number, whatever its scale; of no blend. Of one
        answer the worst counts, once."""
        rated = (FEEDBACK.c.place == self._place) & FEEDBACK.c.rating.is_not(None)
        names = ("rating", "completion_id", "choice")
        asked = select(*(FEEDBACK.c[name] for name in names)).where(
            pinned_to(f"{version}:") & rated
        )
        worst: dict[tuple[str, int], int] = {}
        with self._state.begin() as connection:
            for row in connection.execute(asked).mappings():
                if not row["completion_id"].startswith(IMPORTED):
                    key, rating = (row["completion_id"], row["choice"]), row["rating"]
                    worst[key] = min(rating, worst.get(key, rating))
        return Ratings([*worst.values()].count(-1), len(worst))


def _number(version: str | None) -> str:
    return (version or "").partition("@")[2]
