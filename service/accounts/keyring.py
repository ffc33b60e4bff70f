"""The keys as they were moments ago, so that requests do not wait for the database."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool

from service.errors import InvalidKey, StateUnavailable

from .caller import ANYBODY, Caller
from .keys import Key, Keys, digest_of

logger = logging.getLogger(__name__)

MAX_AGE = 2.0  # [seconds] until a key that was made or revoked elsewhere counts here
MAX_OUTAGE = 300.0  # [seconds] that the keys known so far count while the database is away
HOW = "Send it as 'Authorization: Bearer lc-…' or 'x-api-key: lc-…'."


class Keyring:
    """Says whose key it is. Wrong keys cost a hash and a look into a table, never the database."""

    def __init__(
        self, keys: Keys, clock: Callable[[], float] = time.time, max_age: float = MAX_AGE
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._max_age = max_age
        self._known: Mapping[str, Key] = {}
        self._read: float | None = None  # when the keys were read, and
        self._tried: float | None = None  # when that was last tried
        self._lock = asyncio.Lock()

    async def identify(self, secret: str | None) -> Caller:
        """Raises InvalidKey, or StateUnavailable where nothing is known of any key."""
        await self._refresh()
        if not self._known:
            return ANYBODY
        if secret is None:
            raise InvalidKey(f"This server needs a key. {HOW}")
        # Found by its hash: how long that takes says nothing about any key.
        key = self._known.get(digest_of(secret))
        if key is None:
            raise InvalidKey(f"This key is not valid here. {HOW}")
        if not key.is_valid(self._clock()):
            raise InvalidKey(f"The key {key.name!r} is {key.status(self._clock())}.")
        return key.caller

    def _is_fresh(self) -> bool:
        return self._tried is not None and self._clock() - self._tried < self._max_age

    async def _refresh(self) -> None:
        if self._is_fresh() and self._read is not None:
            return
        async with self._lock:
            if self._is_fresh() and self._read is not None:
                return
            try:
                self._known = await run_in_threadpool(self._keys.by_digest)
                self._read = self._clock()
            except StateUnavailable as error:
                self._outlast(error)
            self._tried = self._clock()

    def _outlast(self, error: StateUnavailable) -> None:
        logger.warning("The keys cannot be read: %s", error)
        if self._read is None or self._clock() - self._read > MAX_OUTAGE:
            self._read = None
            raise error
