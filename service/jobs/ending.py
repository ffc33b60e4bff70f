"""A job's good end: its version counts, and is promoted where that was wished."""

from data.wording import N_
from finetune.adapters.versions import promote

from .desk import Desk
from .events import News
from .job import FineTuningJob
from .jobs import Jobs


def succeed(job: FineTuningJob, version: str, told: str, jobs: Jobs, desk: Desk) -> bool:
    """Let a running job have succeeded by its version. Returns whether it was running still.

    Where it was killed in between, the name means the version already, and the next look ends it.
    """
    name, _, number = version.partition("@")
    if job.source == "queue" and job.options.get("promote"):
        promote(desk.home / "adapters", name, number)
    news = [News("answers", told), News("succeeded", N_("The job has successfully completed"))]
    is_so = {"version": version, "fine_tuned_model": version, "estimated_finish": None}
    if not jobs.move(job.id, ["running"], "succeeded", news=news, **is_so):
        return False
    desk.log(job.id).unlink(missing_ok=True)
    return True
