"""How much a key may ask for a minute: buckets that fill steadily and never hold more than that."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from service.errors import RateLimited

from .caller import Caller, Limits

MINUTE = 60.0  # [seconds]
ROUNDING = 1e-6  # of a unit: who waits as long as told is not sent away again
UNITS = ("requests", "tokens")
FIGURES = ("limit", "remaining", "reset")
RATE_LIMIT_HEADERS = [f"x-ratelimit-{figure}-{unit}" for unit in UNITS for figure in FIGURES]


@dataclass(slots=True)
class Bucket:
    """What is left of `capacity` units a minute. Below zero it is a debt, which is waited for."""

    capacity: int
    filled: float  # [units], at `at`
    at: float  # [seconds]

    def level(self, now: float) -> float:
        return min(self.capacity, self.filled + (now - self.at) * self.capacity / MINUTE)

    def take(self, amount: int, now: float) -> None:
        self.filled, self.at = self.level(now) - amount, now

    def wait(self, now: float) -> float:
        """[seconds] until there is a whole unit."""
        missing = 1 - ROUNDING - self.level(now)
        return max(0.0, missing * MINUTE / self.capacity)

    def refill(self, now: float) -> float:
        """[seconds] until it is full."""
        return (self.capacity - self.level(now)) * MINUTE / self.capacity


@dataclass(frozen=True, slots=True)
class Meter:
    """The buckets of one key, by what they hold; only those that are limited."""

    limits: Limits
    buckets: Mapping[str, Bucket]


class RateLimits:
    """The buckets of every key that has limits. In memory: each server counts for itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meters: dict[str, Meter] = {}  # by key id

    def admit(self, caller: Caller, *, generates: bool) -> dict[str, str]:
        """Take one request from the caller's; returns the headers that say what is left.

        Only a request that generates tokens needs some left. Raises RateLimited.
        """
        buckets = self._buckets(caller)
        now = self._clock()
        for unit, bucket in buckets.items():
            if (unit == "requests" or generates) and bucket.wait(now) > 0:
                raise _refusal(caller, unit, buckets, now)
        if "requests" in buckets:
            buckets["requests"].take(1, now)
        return _headers(buckets, now)

    def charge(self, caller: Caller, num_tokens: int) -> None:
        """Take tokens that have been computed, be they more than there are."""
        bucket = self._buckets(caller).get("tokens")
        if bucket is not None:
            bucket.take(num_tokens, self._clock())

    def _buckets(self, caller: Caller) -> Mapping[str, Bucket]:
        if caller.key_id is None:
            return {}
        meter = self._meters.get(caller.key_id)
        if meter is None or meter.limits != caller.limits:
            meter = self._meters[caller.key_id] = _meter(caller.limits, self._clock())
        return meter.buckets


def _meter(limits: Limits, now: float) -> Meter:
    capacities = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
    return Meter(
        limits,
        {
            unit: Bucket(capacity, capacity, now)
            for unit, capacity in capacities.items()
            if capacity is not None
        },
    )


def _refusal(caller: Caller, unit: str, buckets: Mapping[str, Bucket], now: float) -> RateLimited:
    seconds = max(1, ceil(buckets[unit].wait(now)))
    return RateLimited(
        f"The key {caller.name!r} has used up its {buckets[unit].capacity} {unit} a minute. Try "
        f"again in {seconds} s.",
        {"Retry-After": str(seconds)} | _headers(buckets, now),
    )


def _headers(buckets: Mapping[str, Bucket], now: float) -> dict[str, str]:
    headers: dict[str, str] = {}
    for unit, bucket in buckets.items():
        figures = (
            str(bucket.capacity),
            str(max(0, int(bucket.level(now) + ROUNDING))),
            _duration(bucket.refill(now)),
        )
        headers |= {
            f"x-ratelimit-{name}-{unit}": figure
            for name, figure in zip(FIGURES, figures, strict=True)
        }
    return headers


def _duration(seconds: float) -> str:
    """A duration as OpenAI writes it: 20ms, 7s, 1m30s."""
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
