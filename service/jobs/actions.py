"""What people do to jobs: cancel, pause, resume, finish."""

from typing import Any

from data.wording import N_
from finetune.training.checkpoint import ask_to_finish, list_checkpoints
from service.errors import JobRefused

from .desk import Desk
from .events import News
from .job import UNFINISHED, FineTuningJob, Status
from .jobs import Jobs


class JobActions:
    """Every method changes what shall be and returns the job; its process follows."""

    def __init__(self, jobs: Jobs, desk: Desk) -> None:
        self._jobs = jobs
        self._desk = desk

    def cancel(self, job_id: str) -> FineTuningJob:
        """End a job; nothing that it made is kept. Raises JobNotFound or JobRefused."""
        job = self._find(job_id)
        told = News("cancelled", N_("Fine-tuning job cancelled"), level="warn")
        gone: dict[str, Any] = {"has_leftovers": True, "result_files": [], "estimated_finish": None}
        if not self._jobs.move(job_id, UNFINISHED, "cancelled", news=[told], **gone):
            raise _refused(job, "be cancelled")
        if job.source == "queue":  # whoever sits at a terminal is told by what runs there
            self._desk.kill(job_id)
        return self._jobs.find(job_id)

    def pause(self, job_id: str) -> FineTuningJob:
        """Let a job save and leave memory, or wait no more. Raises JobNotFound or JobRefused."""
        job = self._find(job_id)
        if job.version is not None and not job.has_ended:
            raise JobRefused(
                f"{job_id} has been trained; it is about to answer. There is nothing "
                "to pause any more."
            )
        waiting = ("validating_files", "queued", "running")
        told = News("paused", N_("Fine-tuning job paused"), may_recur=True)
        if not self._jobs.move(job_id, waiting, "paused", news=[told], estimated_finish=None):
            raise _refused(job, "be paused")
        return self._jobs.find(job_id)

    def resume(self, job_id: str) -> FineTuningJob:
        """Put a paused job back into the queue, or one that failed with something saved.

        Raises JobNotFound or JobRefused.
        """
        job = self._find(job_id)
        has_saved = bool(list_checkpoints(self._desk.home / job.run))
        if job.status == "paused" and job.source == "terminal" and not has_saved:
            raise JobRefused(
                f"Job {job.id} is a sweep. It goes on where it was begun, by the same command and "
                "--resume."
            )
        of: tuple[Status, ...] = ("paused", "failed") if has_saved else ("paused",)
        again: dict[str, Any] = {"error": None, "finished": None, "num_starts": 0}
        told = News("resumed", N_("Fine-tuning job resumed"), may_recur=True)
        if not self._jobs.move(job_id, of, "queued", news=[told], source="queue", **again):
            raise _refused(job, "be resumed")
        return self._jobs.find(job_id)

    def finish(self, job_id: str) -> FineTuningJob:
        """Let a job train no further, and make its adapter of the best weights so far.

        Raises JobNotFound or JobRefused.
        """
        job = self._find(job_id)
        told = News("finishing", N_("The training ends here; the best so far is kept"))
        unknown: dict[str, Any] = {"estimated_finish": None}
        has_begun = job.step > 0 and job.version is None and job.source == "queue"
        if not has_begun or not self._jobs.move(job_id, ["running"], news=[told], **unknown):
            raise _refused(job, "be finished before a step of it is done, nor after the last one")
        ask_to_finish(self._desk.home / job.run)
        return self._jobs.find(job_id)

    def _find(self, job_id: str) -> FineTuningJob:
        """A job of this home: what lies in another one cannot be reached from here."""
        job = self._jobs.find(job_id)
        if job.place != self._desk.place:
            raise JobRefused(f"{job_id} belongs to another server's home; ask that server.")
        return job


def _refused(job: FineTuningJob, what: str) -> JobRefused:
    return JobRefused(f"Job {job.id} is {job.status}; it cannot {what}.")
