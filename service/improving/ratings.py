"""What people say of a new version once it is served: one that is worse goes back by itself."""

import logging
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from data.wording import _
from finetune.adapters.versions import list_versions, promote, promoted_version
from service.errors import JobRefused, StateUnavailable
from service.feedback.feedback import IMPORTED
from service.feedback.item import FeedbackItem
from service.state.database import State
from service.state.tables import FEEDBACK

from .ledger import Entry, Ledger, What, Written
from .round import alone

logger = logging.getLogger(__name__)

FEWEST = 10  # ratings of each version
LEVEL = 0.95
MOVES: tuple[What, ...] = ("promote", "override", "rollback")  # of what a name means


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
        self._ledger = Ledger(state, place)

    def after(self, item: FeedbackItem) -> None:
        """Look whether what somebody has just said is once too often. Never raises: it was said."""
        if item.rating != -1 or "+" in item.pinned:
            return
        try:
            adapter = item.pinned.partition("@")[0]
            with alone(self._home, adapter):
                self.look(adapter)
        except (JobRefused, StateUnavailable, SQLAlchemyError, OSError) as error:
            logger.warning("Whether %s is worse is not known: %s", item.pinned, error)

    def look(self, adapter: str) -> Written | None:
        """Roll an adapter back where the new version's share of bad ratings leaves the interval of
        the old one's. Returns the ledger's entry, if so. Raises StateUnavailable, and OSError where
        nothing can be promoted."""
        moves = (each for each in self._ledger.entries(adapter) if each.what in MOVES)
        newest = next(moves, None)
        if newest is None or newest.what == "rollback":
            return None
        before, after = newest.before or "", newest.after or ""
        promoted = promoted_version(self._adapters, adapter)
        old = before.partition("@")[2]
        if after != f"{adapter}@{promoted}" or old not in list_versions(self._adapters, adapter):
            return None  # a person has chosen another one
        new_ratings, old_ratings = self.ratings(after), self.ratings(before)
        if min(new_ratings.count, old_ratings.count) < FEWEST:
            return None
        if new_ratings.rate <= old_ratings.highest:
            return None
        promote(self._adapters, adapter, old)
        reason = _(
            "{after}: {down} of {count} ratings were bad; of {before}, {old_down} of {old_count}."
        ).format(
            after=after,
            before=before,
            down=new_ratings.down,
            count=new_ratings.count,
            old_down=old_ratings.down,
            old_count=old_ratings.count,
        )
        logger.warning("%s is rolled back to %s. %s", adapter, before, reason)
        entry = Entry(
            adapter=adapter,
            what="rollback",
            who="ratings",
            before=after,
            after=before,
            told={"reasons": [reason]},
        )
        return self._ledger.add(entry)

    def ratings(self, version: str) -> Ratings:
        """What was said here of the answers of name@number, whatever its scale; of no blend. Of one
        answer the worst counts, once."""
        own = FEEDBACK.c.pinned.startswith(f"{version}:", autoescape=True)  # SQLite: in any case
        rated = own & (FEEDBACK.c.place == self._place) & FEEDBACK.c.rating.is_not(None)
        names = ("pinned", "rating", "completion_id", "choice")
        asked = select(*(FEEDBACK.c[name] for name in names)).where(rated)
        worst: dict[tuple[str, int], int] = {}
        with self._state.begin() as connection:
            for row in connection.execute(asked).mappings():
                is_own = row["pinned"].startswith(f"{version}:") and "+" not in row["pinned"]
                if is_own and not row["completion_id"].startswith(IMPORTED):
                    key, rating = (row["completion_id"], row["choice"]), row["rating"]
                    worst[key] = min(rating, worst.get(key, rating))
        return Ratings([*worst.values()].count(-1), len(worst))
