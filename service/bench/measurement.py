"""What a load has shown: answers, failures, and the numbers that sum them up."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from service.client.stream import TokenCounts

MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class MeasuredAnswer:
    """A request that was answered to the end."""

    target: str
    first_token: float | None  # [seconds] after sending; None for an answer without content
    gaps: tuple[float, ...]  # [seconds] between its chunks with content
    counts: TokenCounts | None  # as the server says; None where it says nothing

    @property
    def num_tokens(self) -> int:
        """The number of tokens; without the server's word, a chunk with content passes for one."""
        if self.counts is not None:
            return self.counts.completion_tokens
        return len(self.gaps) + (self.first_token is not None)


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was refused, or whose answer broke off."""

    target: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Spread:
    """How far times reach. [milliseconds]"""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class FaultCount:
    """All failures of one kind, and what the first one said."""

    kind: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target's share of a measurement."""

    target: str
    num_done: int
    num_failed: int
    output_tokens: int
    first_token_p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """The outcomes of a load's requests, in the order in which the requests stand there."""

    wall_seconds: float  # from the first request to the end of the last answer
    outcomes: tuple[MeasuredAnswer | Failure, ...]

    @property
    def answers(self) -> list[MeasuredAnswer]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, MeasuredAnswer)]

    @property
    def failures(self) -> list[Failure]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Failure)]

    @property
    def output_tokens(self) -> int:
        """The tokens of whole answers; what came before a failure does not count."""
        return sum(answer.num_tokens for answer in self.answers)

    @property
    def output_tokens_per_second(self) -> float:
        return self.output_tokens / self.wall_seconds

    @property
    def requests_per_second(self) -> float:
        return len(self.answers) / self.wall_seconds

    @property
    def first_token(self) -> Spread | None:
        return spread(_first_tokens(self.answers))

    @property
    def between_tokens(self) -> Spread | None:
        return spread(gap for answer in self.answers for gap in answer.gaps)

    @property
    def has_exact_counts(self) -> bool:
        """Whether the server itself has counted the tokens of every answer."""
        return all(answer.counts is not None for answer in self.answers)

    @property
    def mean_prompt_tokens(self) -> float | None:
        return _mean(counts.prompt_tokens for counts in self._counts)

    @property
    def mean_output_tokens(self) -> float | None:
        return _mean(answer.num_tokens for answer in self.answers)

    @property
    def mean_cached_tokens(self) -> float | None:
        """The mean number of a prompt's tokens that were cached, where the server tells."""
        return _mean(counts.cached_tokens for counts in self._counts)

    @property
    def rows(self) -> tuple[TargetRow, ...]:
        targets = dict.fromkeys(outcome.target for outcome in self.outcomes)
        return tuple(self._row(target) for target in targets)

    @property
    def faults(self) -> tuple[FaultCount, ...]:
        """The most frequent kind first."""
        counted = Counter(failure.kind for failure in self.failures)
        examples = {failure.kind: failure.message for failure in reversed(self.failures)}
        return tuple(
            FaultCount(kind, count, examples[kind]) for kind, count in counted.most_common()
        )

    @property
    def _counts(self) -> list[TokenCounts]:
        return [answer.counts for answer in self.answers if answer.counts is not None]

    def _row(self, target: str) -> TargetRow:
        answers = [answer for answer in self.answers if answer.target == target]
        first = spread(_first_tokens(answers))
        return TargetRow(
            target=target,
            num_done=len(answers),
            num_failed=sum(failure.target == target for failure in self.failures),
            output_tokens=sum(answer.num_tokens for answer in answers),
            first_token_p95_ms=first.p95 if first else None,
        )


def spread(seconds: Iterable[float]) -> Spread | None:
    """None where there is nothing to spread."""
    times = sorted(MILLISECONDS * second for second in seconds)
    if not times:
        return None
    p50, p95, p99 = (_percentile(times, share) for share in (0.5, 0.95, 0.99))
    return Spread(p50, p95, p99, times[-1])


def _percentile(ordered: list[float], share: float) -> float:
    """A percentile; it lies between two values where the share falls between them."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def _first_tokens(answers: Iterable[MeasuredAnswer]) -> list[float]:
    return [answer.first_token for answer in answers if answer.first_token is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
