"""Leaves a server that fails again and again alone for a while, then lets one request try it."""

import time
from collections.abc import Callable

FAILURES = 3  # one after the other
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # [seconds]; each is twice the one before
OPEN = float("-inf")


class Breaker:
    """Knows of failures and successes alone. Made for one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_failures = 0
        self._pause = FIRST_PAUSE
        self._is_tried = False  # by one request, while the others wait
        self._opens_at = OPEN

    def can_enter(self) -> bool:
        return self._clock() >= self._opens_at

    def enter(self) -> None:
        """Begin a request. After failures, the others wait for what becomes of it."""
        if self._num_failures >= FAILURES:
            self._is_tried = True
            self._opens_at = self._clock() + self._pause

    def succeed(self) -> None:
        self._num_failures, self._pause = 0, FIRST_PAUSE
        self._is_tried, self._opens_at = False, OPEN

    def fail(self) -> None:
        """Count a failure; of requests that ran together, one alone makes it wait."""
        self._num_failures += 1
        if self._num_failures == FAILURES or self._is_tried:
            self._is_tried = False
            self._opens_at = self._clock() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
