"""A home's jobs for commands, which see to them where no server does."""

import time
from collections.abc import Callable

from data.wording import _
from service.accounts.keys import Keys
from service.errors import FileNotFound
from service.files.files import Files
from service.jobs.actions import JobActions
from service.jobs.desk import Desk
from service.jobs.events import Events
from service.jobs.job import FineTuningJob
from service.jobs.jobs import Jobs
from service.jobs.start import start_worker
from service.jobs.supervisor import Supervisor
from service.running import find_running
from service.settings import ServiceSettings
from service.state.database import State

from .acceptance import accept

PATIENCE = 10.0  # [seconds] for a cancelled job's process to end
LOOK = 0.1  # [seconds] from one look at that to the next


class HomeJobs:
    """Every method raises StateUnavailable."""

    def __init__(self, state: State, settings: ServiceSettings) -> None:
        self.home = settings.home
        self._settings = settings
        self._keys = Keys(state)
        self._desk = Desk(self.home)
        self._files = Files(state, self.home, self._desk.place)
        self.jobs = Jobs(state)
        self.events = Events(state)
        self.actions = JobActions(self.jobs, self._desk)
        self._supervisor = Supervisor(self.jobs, self._files, self._desk, None)

    @property
    def is_served(self) -> bool:
        """Whether a server runs on this home and sees to its jobs."""
        return any(server.runs_jobs for server in find_running(self.home))

    def key_names(self) -> dict[str, str]:
        return {key.id: key.name for key in self._keys.all()}

    def file_names(self, job: FineTuningJob) -> dict[str, str]:
        """What a job's files are called, by their ids; of those that are there still."""
        names: dict[str, str] = {}
        for file_id in filter(None, (job.training_file, job.validation_file)):
            try:
                names[file_id] = self._files.find(file_id).filename
            except FileNotFound:
                continue
        return names

    def look(self) -> None:
        """Let the database say what has become of the jobs: of runs whose process was killed, and
        of what was made where no server tries it."""
        made = self._supervisor.look().made
        if made and not self.is_served:
            for job in made:
                accept(job, job.version or "", self.jobs, self._desk)

    def clear(self, job_id: str, wait: Callable[[float], None] = time.sleep) -> None:
        """Remove what a cancelled job has made, as soon as its process has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.jobs.find(job_id).has_leftovers and time.monotonic() < deadline:
            self.look()
            wait(LOOK)

    def resume(self, job_id: str) -> str:
        """Let a job go on, by itself where no server does it. Returns what is to be said of it.

        Raises JobNotFound or JobRefused.
        """
        job = self.jobs.find(job_id)
        if job.status != "queued":
            job = self.actions.resume(job_id)
        if self.is_served or job.place != self._desk.place:
            return _("The job {id} goes on as soon as its turn has come.").format(id=job_id)
        if busy := self._busy():
            told = _(
                "The job {id} waits: {others} runs. Type the same again when that has ended, or "
                "start a server, which takes up what waits."
            )
            return told.format(id=job_id, others=", ".join(busy))
        start_worker(self._desk, job_id, self._settings.database, self._settings.job_slots)
        told = _("The job {id} goes on in the background. See it: lora-chat jobs follow {id}")
        return told.format(id=job_id)

    def _busy(self) -> list[str]:
        """The jobs that are worked on, where those are as many as may be."""
        held = [job.id for job in self.jobs.open(self._desk.place) if self._desk.is_held(job.id)]
        return held if len(held) >= self._settings.job_slots else []
