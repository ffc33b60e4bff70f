"""Requests that wait for a server, so that they are told when it is gone."""

import asyncio
import time
from typing import Any

from .client import ServerAway

ENDED = "The vLLM server does not answer any more."
Waiting = set[asyncio.Timeout]


class Limits:
    """All waits for one server, and when it was last heard of."""

    def __init__(self) -> None:
        self._first: Waiting = set()
        self._later: Waiting = set()
        self._is_closed = False
        self.heard_at = 0.0  # [seconds]

    def wait(self, *, has_begun: bool = False) -> "Wait":
        """A wait for an answer that has begun or not. Raises ServerAway once all is closed."""
        if self._is_closed:
            raise ServerAway(ENDED)
        if not self._first and not self._later:
            self.heard_at = time.monotonic()  # nothing was to be heard before
        return Wait(self, self._later if has_begun else self._first)

    def are_silent_for(self, seconds: float) -> bool:
        """Whether somebody waits, and nobody has heard anything for so long."""
        is_waited_for = bool(self._first or self._later)
        return is_waited_for and time.monotonic() - self.heard_at > seconds

    def close(self) -> None:
        """End all waits, those to come, too."""
        self._is_closed = True
        self.give_up()
        self.give_up(has_begun=True)

    def give_up(self, *, has_begun: bool = False) -> None:
        """End all such waits."""
        waiting = self._later if has_begun else self._first
        while waiting:
            waiting.pop().reschedule(0)


class Wait:
    """A wait within a block, which ends it with ServerAway where it is given up. It is made for
    each token, so it is no generator."""

    def __init__(self, limits: Limits, waiting: Waiting) -> None:
        self._limits = limits
        self._waiting = waiting
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._waiting.add(self._limit)

    async def __aexit__(self, *raised: Any) -> None:
        self._waiting.discard(self._limit)
        if raised[0] is None:
            self._limits.heard_at = time.monotonic()
        try:
            await self._limit.__aexit__(*raised)
        except TimeoutError as error:
            raise ServerAway(ENDED) from error
