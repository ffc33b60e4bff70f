"""What people do to jobs: cancel, pause, resume."""

from finetune.training.checkpoint import list_checkpoints
from service.errors import JobRefused

from .desk import Desk
from .events import Events, News
from .job import UNFINISHED, FineTuningJob, Status
from .jobs import Jobs


class JobActions:
    """Every method changes what shall be and returns the job; its process follows."""

    def __init__(self, jobs: Jobs, events: Events, desk: Desk) -> None:
        self._jobs = jobs
        self._events = events
        self._desk = desk

    def cancel(self, job_id: str) -> FineTuningJob:
        """End a job; nothing that it made is kept. Raises JobNotFound or JobRefused."""
        job = self._jobs.find(job_id)
        if not self._jobs.move(job_id, UNFINISHED, "cancelled", has_leftovers=True):
            raise _refused(job, "be cancelled")
        self._events.tell(job_id, News("cancelled", "Fine-tuning job cancelled", level="warn"))
        if job.source == "queue":  # whoever sits at a terminal is told by what runs there
            self._desk.kill(job_id)
        return self._jobs.find(job_id)

    def pause(self, job_id: str) -> FineTuningJob:
        """Let a job save and leave memory, or wait no more. Raises JobNotFound or JobRefused."""
        job = self._jobs.find(job_id)
        if job.version is not None and not job.has_ended:
            raise JobRefused(
                f"{job_id} has been trained; it is about to answer. There is nothing "
                "to pause any more."
            )
        waiting = ("validating_files", "queued", "running")
        if not self._jobs.move(job_id, waiting, "paused", estimated_finish=None):
            raise _refused(job, "be paused")
        self._events.tell_again(job_id, "paused", "Fine-tuning job paused")
        return self._jobs.find(job_id)

    def resume(self, job_id: str) -> FineTuningJob:
        """Put a paused job back into the queue, or one that failed with something saved.

        Raises JobNotFound or JobRefused.
        """
        job = self._jobs.find(job_id)
        has_saved = bool(list_checkpoints(self._desk.home / job.run))
        if job.status == "paused" and job.source == "terminal" and not has_saved:
            raise JobRefused(
                f"Job {job.id} is a sweep. It goes on where it was begun, by the same command and "
                "--resume."
            )
        of: tuple[Status, ...] = ("paused", "failed") if has_saved else ("paused",)
        again = {"error": None, "finished": None, "num_starts": 0, "source": "queue"}
        if not self._jobs.move(job_id, of, "queued", **again):
            raise _refused(job, "be resumed")
        self._events.tell_again(job_id, "resumed", "Fine-tuning job resumed")
        return self._jobs.find(job_id)


def _refused(job: FineTuningJob, what: str) -> JobRefused:
    return JobRefused(f"Job {job.id} is {job.status}; it cannot {what}.")
