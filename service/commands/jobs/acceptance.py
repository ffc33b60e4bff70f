"""A job's version where no server tries it out: it counts once its files are found whole."""

from pathlib import Path

from finetune.adapters.versions import find_version
from finetune.errors import AdapterInvalid
from service.jobs.events import Events, News
from service.jobs.job import JobError
from service.jobs.jobs import Jobs


def accept(job_id: str, version: str, adapters: Path, jobs: Jobs, events: Events) -> None:
    """Let a running job succeed by the version that it has made, or fail."""
    try:
        find_version(adapters, version).check_whole()
    except (AdapterInvalid, OSError) as error:
        said = JobError("model_not_loaded", f"{version} was trained and is not whole: {error}")
        if jobs.move(job_id, ["running"], "failed", error=said, estimated_finish=None):
            events.tell_again(job_id, "failed", said.message, level="error")
        return
    made = News("answers", f"New fine-tuned model created: {version}; its files are whole")
    events.tell(job_id, made, News("succeeded", "The job has successfully completed"))
    is_so = {"version": version, "fine_tuned_model": version, "estimated_finish": None}
    jobs.move(job_id, ["running"], "succeeded", **is_so)
