"""The process that works on one job: `python -m service.jobs.work.worker HOME JOB SLOTS`.

It may be killed at any moment: whoever works on the job next goes on from its last checkpoint, or
finds the version that it has made.
"""

import logging
import os
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from sqlalchemy import func

from data.errors import DataError, NoRoom
from data.wording import N_, speak
from finetune.errors import FinetuneError, Interrupted, OutOfRoom
from finetune.free_cores import give_way
from service.errors import DiskFull, FileNotFound, StateUnavailable
from service.files.files import Files
from service.home import without_folders
from service.jobs.desk import Desk
from service.jobs.events import Events, News
from service.jobs.job import FineTuningJob, JobError
from service.jobs.jobs import Jobs
from service.jobs.start import DATABASE
from service.state.database import State, open_state
from service.state.tables import JOBS

from .training import Training

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
KEPT = N_(
    "{reason} What was trained is kept up to the last checkpoint. Make room on the server's disk, "
    "and resume the job."
)
UNEXPECTED = N_(
    "The job ended with an error of the program itself; the server's log of it says more."
)


def main(arguments: list[str]) -> int:
    """Work on a job if nobody else does. Returns the exit code."""
    home, job_id, slots = Path(arguments[0]), arguments[1], int(arguments[2])
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO)
    speak("en")
    give_way()
    with closing(open_state(home, os.environ.get(DATABASE))) as state:
        return Worker(state, Desk(home)).work(job_id, slots)


class Worker:
    """Takes a job, trains, and tells how it ended."""

    def __init__(self, state: State, desk: Desk) -> None:
        self._state = state
        self._desk = desk
        self._jobs = Jobs(state)
        self._events = Events(state)

    def work(self, job_id: str, slots: int) -> int:
        """Returns 0 unless the program itself has failed."""
        with ExitStack() as stack:
            job = self._take(job_id, slots, stack)
            if job is None:
                return 0
            try:
                self._train(job)
            except Interrupted as stopped:
                logger.info("%s", stopped)
            except StateUnavailable:  # whoever works on it next finds what is done
                logger.exception("The database is away")
                return 1
            except FileNotFound as error:
                self._fail(job, JobError("file_not_found", str(error), "training_file"))
            except (DataError, FinetuneError, DiskFull) as error:
                self._fail(job, error_of(error, self._desk.home))
            except Exception:
                logger.exception("The job failed unexpectedly")
                self._fail(job, JobError("internal_error", UNEXPECTED))
                return 1
        return 0

    def _take(self, job_id: str, slots: int, stack: ExitStack) -> FineTuningJob | None:
        """None where the job is held or no longer waits, or as many run as may."""
        place = self._desk.place
        with self._desk.taking():
            open_jobs = self._jobs.open(place)
            if sum(self._desk.is_held(job.id) for job in open_jobs) >= slots:
                return None
            if not stack.enter_context(self._desk.working_on(job_id)):
                return None
        told = News("started", N_("Fine-tuning job started"), may_recur=True)
        is_mine = self._jobs.move(
            job_id,
            ["queued", "running"],
            "running",
            news=[told] if self._jobs.find(job_id).status == "queued" else [],
            started=func.coalesce(JOBS.c.started, int(time.time())),
            num_starts=JOBS.c.num_starts + 1,
        )
        return self._jobs.find(job_id) if is_mine else None

    def _train(self, job: FineTuningJob) -> None:
        files = Files(self._state, self._desk.home, job.place)
        training = Training(job, self._desk.home, self._jobs, self._events, files)
        made = training.execute()
        told = N_("The adapter {version} is written; it answers as soon as a server has tried it")
        self._jobs.move(
            job.id,
            ["running"],
            news=[News("made", told.format(version=made.version))],
            version=str(made.version),
            trained_tokens=made.trained_tokens,
            result_files=[made.results],
            estimated_finish=None,
        )

    def _fail(self, job: FineTuningJob, error: JobError) -> None:
        self._jobs.fail(job.id, ["running"], error)


def error_of(error: DataError | FinetuneError | DiskFull, home: Path) -> JobError:
    """Why a job has failed, in OpenAI's form, without where the home lies."""
    said = KEPT.format(reason=error.reason) if isinstance(error, OutOfRoom) else str(error)
    message = without_folders(said, home)
    match error:
        case OutOfRoom() | NoRoom() | DiskFull():
            return JobError("disk_full", message)
        case DataError():
            return JobError("invalid_training_file", message, "training_file")
        case _:
            return JobError("training_failed", message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
