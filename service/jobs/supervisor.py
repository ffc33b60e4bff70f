"""What a home's jobs need, seen to again and again: processes follow what the database says."""

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.free_space import free_space
from data.wording import N_
from finetune.training.checkpoint import has_saved
from service.errors import FileNotFound
from service.files.files import Files, StoredFile

from .desk import Desk
from .discard import discard
from .events import News
from .job import FineTuningJob, JobError
from .jobs import Jobs

logger = logging.getLogger(__name__)

MIN_EXAMPLES = 10  # OpenAI's
MAX_STARTS = 5  # of a process that dies before it has done another step
PATIENCE = 10.0  # [seconds] in which a paused job's process saves and ends
LEAST_ROOM = 1 << 20  # [bytes] of the disk, to begin a job
Starter = Callable[[str], "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has found."""

    jobs: Sequence[FineTuningJob]  # all that something was or is to be done for
    made: Sequence[FineTuningJob]  # their versions have not answered yet
    waiting: Sequence[FineTuningJob]  # to be begun, the first ones as soon as there is room
    num_held: int  # jobs that processes work on


class Supervisor:
    """Sees to the jobs of one home. Several may do so at once: each step holds whoever takes it."""

    def __init__(
        self,
        jobs: Jobs,
        files: Files,
        desk: Desk,
        start: Starter | None,
        slots: int = 1,
    ) -> None:
        """Starts no process without `start`."""
        self._jobs = jobs
        self._files = files
        self._desk = desk
        self._place = desk.place
        self._start = start
        self._slots = slots
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._is_full = False  # the home's disk
        self._told: dict[str, str] = {}  # what was in the way of which job
        self._paused: dict[str, float] = {}  # since when a paused job has a process

    def see_to(self) -> Look:
        """Do what is to be done now. Raises StateUnavailable."""
        found = self.look()
        self.begin(found)
        return found

    def look(self) -> Look:
        """The same, but begin no job. Raises StateUnavailable."""
        self._reap()
        made: list[FineTuningJob] = []
        waiting: list[FineTuningJob] = []
        held: list[str] = []
        found = self._jobs.open(self._place)
        for job in found:
            if is_held := self._desk.is_held(job.id):
                held.append(job.id)
            try:
                self._see_to(job, is_held=is_held)
            except OSError as error:  # what lies there of one job keeps no other from going on
                self._tell_once(job, error)
                continue
            if is_held or job.has_leftovers or job.status not in ("queued", "running"):
                continue
            if job.version is not None:
                made.append(job)
            elif job.source == "queue":
                waiting.append(job)
        self._tidy({job.id for job in found})
        return Look(found, made, waiting, len({*held, *self._started}))

    def _see_to(self, job: FineTuningJob, *, is_held: bool) -> None:
        """Do for one job what is no matter of turns."""
        if job.has_leftovers:
            self._clear(job, is_held=is_held)
        elif job.status == "validating_files":
            self._validate(job)
        elif is_held:
            self._hurry(job)
        elif job.status == "running" and job.source == "terminal" and job.version is None:
            self._leave(job)

    def _tell_once(self, job: FineTuningJob, error: OSError) -> None:
        if self._told.get(job.id) != str(error):
            logger.warning("%s cannot be seen to: %s", job.id, error)
        self._told[job.id] = str(error)

    def next_ones(self, found: Look) -> Sequence[FineTuningJob]:
        """The jobs that `begin` would start processes for: none while the disk is full."""
        waiting = found.waiting[: max(0, self._slots - found.num_held)]
        if self._start is None or not waiting or not self._has_room():
            return ()
        return waiting

    def begin(self, found: Look) -> None:
        """Start processes for the first jobs that wait, as far as there is room."""
        if self._start is None:
            return
        for job in self.next_ones(found):
            if job.num_starts >= MAX_STARTS:
                self._give_up(job)
            elif job.id not in self._started:
                self._started[job.id] = self._start(job.id)

    def wait(self) -> None:
        """Wait until the processes that were started here have ended."""
        for process in self._started.values():
            process.wait()

    def _has_room(self) -> bool:
        """Whether a process could so much as say that it begins."""
        is_full = free_space(self._desk.home) < LEAST_ROOM
        if is_full and not self._is_full:
            logger.warning("The disk of %s is full: jobs wait for room", self._desk.home)
        self._is_full = is_full
        return not is_full

    def _reap(self) -> None:
        """Forget processes that have ended; the system keeps them until somebody asks."""
        self._started = {job: each for job, each in self._started.items() if each.poll() is None}

    def _tidy(self, in_work: set[str]) -> None:
        for job_id in self._desk.left_by(in_work):
            self._desk.forget(job_id)

    def _clear(self, job: FineTuningJob, *, is_held: bool) -> None:
        if is_held:
            self._desk.kill(job.id) if job.source == "queue" else self._hurry(job)
            return
        discard(job, self._desk, self._files)
        self._jobs.move(job.id, [job.status], has_leftovers=False)

    def _hurry(self, job: FineTuningJob) -> None:
        """End a process that has had its time to save; one at a terminal ends by itself."""
        if job.status == "running" or job.source == "terminal":
            self._paused.pop(job.id, None)
            return
        since = self._paused.setdefault(job.id, time.monotonic())
        if time.monotonic() - since > PATIENCE:
            self._desk.kill(job.id)

    def _leave(self, job: FineTuningJob) -> None:
        """A terminal's run that has been killed is its owner's to go on with, and so is whatever
        it has left."""
        if has_saved(self._desk.home / job.run):
            to, told = "paused", N_("The training was killed; what it saved is kept")
        else:
            to, told = "cancelled", N_("The training was killed before anything was saved")
        killed = News("killed", told, level="warn", may_recur=True)
        self._jobs.move(job.id, ["running"], to, news=[killed], estimated_finish=None)

    def _give_up(self, job: FineTuningJob) -> None:
        said = N_(
            "The job's process has ended {count} times before its next step, without a word; "
            "memory may be too small for it. The server's log of it: {log}."
        ).format(count=job.num_starts, log=self._log(job))
        self._jobs.fail(job.id, ["queued", "running"], JobError("worker_died", said))

    def _log(self, job: FineTuningJob) -> Path:
        return self._desk.log(job.id).relative_to(self._desk.home)

    def _validate(self, job: FineTuningJob) -> None:
        """Look at what is known of a job's files. Those that are being checked are waited for."""
        params = {"training_file": job.training_file, "validation_file": job.validation_file}
        for param, file_id in params.items():
            if file_id is None:
                continue
            try:
                file = self._files.find(file_id)
            except FileNotFound as missing:
                error = JobError("file_not_found", str(missing), param)
                self._jobs.fail(job.id, ["validating_files"], error)
                return
            if file.status == "uploaded":
                return
            if error := _fault(file, param):
                self._jobs.fail(job.id, ["validating_files"], error)
                return
        told = News("queued", N_("Files validated, moving job to queued state"))
        self._jobs.move(job.id, ["validating_files"], "queued", news=[told])


def _fault(file: StoredFile, param: str) -> JobError | None:
    """What is wrong with a file for training."""
    if file.status == "error":
        return JobError(
            "invalid_file_format", file.status_details or N_("The file is faulty."), param
        )
    count = file.num_conversations
    if param == "training_file" and count is not None and count < MIN_EXAMPLES:
        told = N_(
            "Training file has {count} example(s), but must have at least {fewest} examples"
        ).format(count=count, fewest=MIN_EXAMPLES)
        return JobError("invalid_n_examples", told, param)
    return None
