"""How long a sitting may still take."""

import time
from collections.abc import Callable

RESERVE = 20.0  # [seconds] to stop servers and write the report


class Clock:
    """Counts from when it is made."""

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now  # [seconds]
        self._end = now() + 60 * minutes - RESERVE

    @property
    def left(self) -> float:
        """[seconds] for measuring; never below 0."""
        return max(0.0, self._end - self.now())
