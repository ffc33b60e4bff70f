"""What callers have used: written down for good, and taken from what they have a minute."""

from dataclasses import dataclass

from .caller import Caller
from .rate_limit import RateLimits
from .usage import Count, UsageLedger


@dataclass(frozen=True, slots=True)
class Charging:
    limits: RateLimits
    ledger: UsageLedger

    def charge(self, caller: Caller, model: str, count: Count) -> None:
        self.ledger.add(caller.key_id, model, count)
        self.limits.charge(caller, count.prompt_tokens + count.completion_tokens)
