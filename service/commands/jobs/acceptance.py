"""A job's version where no server tries it out: it counts once its files are found whole."""

from data.wording import N_
from finetune.adapters.versions import find_version
from finetune.errors import AdapterInvalid
from service.jobs.desk import Desk
from service.jobs.ending import succeed
from service.jobs.job import FineTuningJob, JobError
from service.jobs.jobs import Jobs


def accept(job: FineTuningJob, version: str, jobs: Jobs, desk: Desk) -> None:
    """Let a running job succeed by the version that it has made, or fail."""
    try:
        find_version(desk.home / "adapters", version).check_whole()
    except (AdapterInvalid, OSError) as error:
        said = N_("{version} was trained and is not whole: {error}")
        said = said.format(version=version, error=error)
        jobs.fail(job.id, ["running"], JobError("model_not_loaded", said))
        return
    told = N_("New fine-tuned model created: {version}; its files are whole")
    told = told.format(version=version)
    succeed(job, version, told, jobs, desk)
