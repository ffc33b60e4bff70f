"""What a cancelled job has made, removed."""

import shutil
from contextlib import suppress

from finetune.adapters.versions import remove_version
from finetune.errors import NotResumable
from finetune.training.run import settle
from service.errors import FileNotFound
from service.files.files import Files

from .desk import Desk
from .job import FineTuningJob


def discard(job: FineTuningJob, desk: Desk, files: Files) -> None:
    """Remove a job's version, its results, its run and what lies on the desk of it; each may be
    gone already. Raises OSError."""
    run, adapters = desk.home / job.run, desk.home / "adapters"
    with suppress(NotResumable):  # what cannot be read was killed before it made anything
        if version := settle(run, adapters, promotes=False):
            remove_version(adapters, version)
    with suppress(FileNotFound):
        files.remove(files.id_for(job.id))
    shutil.rmtree(run, ignore_errors=True)
    desk.log(job.id).unlink(missing_ok=True)
    desk.forget(job.id)
