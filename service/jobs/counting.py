"""The jobs of a home in numbers: what each look has found, and which have ended since the last."""

from collections import Counter
from collections.abc import Sequence

from service.telemetry.job_metrics import JobMetrics

from .job import FineTuningJob
from .jobs import Jobs


class Counting:
    """Asks the database for what has ended alone, and so belongs into a thread."""

    def __init__(self, jobs: Jobs, metrics: JobMetrics) -> None:
        self._jobs = jobs
        self._metrics = metrics
        self._unfinished: set[str] = set()  # at the last look

    def look(self, found: Sequence[FineTuningJob]) -> None:
        """`found` are those that something is to be done for. Raises StateUnavailable."""
        unfinished = {job.id: job.status for job in found if not job.has_ended}
        ended = [self._jobs.find(job_id) for job_id in self._unfinished.difference(unfinished)]
        self._unfinished = set(unfinished)
        self._metrics.show(Counter(unfinished.values()))
        for job in ended:
            end = job.finished or job.created
            seconds = end - (job.started or end)
            self._metrics.count_ended(job.status, seconds, job.trained_tokens or 0)
