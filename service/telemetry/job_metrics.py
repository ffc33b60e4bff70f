"""What /metrics tells of fine-tuning jobs: how many there are, how they ended, what they took."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)


class JobMetrics:
    """Everything is there from the beginning, as zeros."""

    def __init__(
        self, registry: CollectorRegistry, unfinished: Iterable[str], ended: Iterable[str]
    ) -> None:
        """The statuses that jobs pass through, and those that they end in."""
        self._unfinished = tuple(unfinished)
        self._jobs = Gauge(
            "lora_chat_jobs", "Fine-tuning jobs that have not ended", ["status"], registry=registry
        )
        self._seconds = Histogram(
            "lora_chat_job_seconds",
            "From a job's start to its end; 0 where it never started",
            ["status"],
            registry=registry,
            buckets=SECONDS,
        )
        self._tokens = Counter(
            "lora_chat_trained_tokens", "Tokens that ended jobs have trained on", registry=registry
        )
        for status in ended:
            self._seconds.labels(status)
        self.show({})

    def show(self, numbers: Mapping[str, int]) -> None:
        """The number of jobs in each status now; those that are not named have none."""
        for status in self._unfinished:
            self._jobs.labels(status).set(numbers.get(status, 0))

    def count_ended(self, status: str, seconds: float, trained_tokens: int) -> None:
        self._seconds.labels(status).observe(seconds)
        self._tokens.inc(trained_tokens)
