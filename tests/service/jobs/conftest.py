"""A home with a tiny base, jobs on it, and whoever sees to them."""

import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.files.files import Files
from service.jobs.actions import JobActions
from service.jobs.desk import Desk
from service.jobs.events import Events, News
from service.jobs.job import FineTuningJob, NewJob
from service.jobs.jobs import Jobs
from service.jobs.start import start_worker
from service.jobs.supervisor import Supervisor
from service.state.database import open_state

TURNS = "患者：问题{number}，怎么办？\n医生：宜多休息{number}天。\n"
DATA = "\n".join(TURNS.format(number=number) for number in range(16))
FEW = "\n".join(TURNS.format(number=number) for number in range(3))


class Clinic:
    """One home, and what its server would see to, without the server."""

    def __init__(self, home: Path, base: Path, slots: int = 1, database: str | None = None) -> None:
        self.home = home
        self.base = base
        home.mkdir(exist_ok=True)
        self.database = database
        self.state = open_state(home, database)
        self.desk = Desk(home)
        self.jobs = Jobs(self.state)
        self.events = Events(self.state)
        self.files = Files(self.state, home, self.desk.place)
        self.actions = JobActions(self.jobs, self.desk)
        self.supervisor = self.supervise(slots)

    def supervise(self, slots: int = 1) -> Supervisor:
        start = partial(start_worker, self.desk, database=self.database, slots=slots)
        return Supervisor(self.jobs, self.files, self.desk, start, slots)

    def bring(self, text: str = DATA, name: str = "questions.txt") -> str:
        """A training file's id."""
        return self.files.keep("", name, "fine-tune", text.encode()).id

    def order(self, job_id: str, *, file: str | None = None, **values: Any) -> FineTuningJob:
        """A job at the end of the queue."""
        options: dict[str, Any] = {
            "base": str(self.base),
            "quantize": "none",
            "epochs": 3,
            "batch_size": 4,
            "learning_rate": 0.01,
            "save_steps": 1,
            "report": "none",
            "rank": 2,
        }
        options |= values.pop("options", {})
        given: dict[str, Any] = {
            "id": job_id,
            "key_id": "",
            "place": self.desk.place,
            "model": "tiny",
            "name": "tcm",
            "training_file": file or self.bring(),
            "run": f"runs/{job_id}",
            "seed": 7,
        }
        job = self.jobs.add(NewJob(options=options, **(given | values)))
        self.events.tell(job_id, News("created", f"Created fine-tuning job: {job_id}"))
        return job

    def wait(self, happens: Callable[[], Any], seconds: float = 120, every: float = 0.1) -> None:
        """See to the jobs until something happens."""
        end = time.monotonic() + seconds
        while not happens():
            self.supervisor.see_to()
            assert time.monotonic() < end, self.told()
            time.sleep(every)

    def answered(self, job_id: str) -> bool:
        """Whether a job has made its version; it is not tried out here."""
        job = self.jobs.find(job_id)
        assert job.status in ("validating_files", "queued", "running"), self.told()
        return job.version is not None

    def losses(self, job_id: str) -> list[float]:
        """As the events tell them, first step first."""
        events = self.events.since(job_id, 0)
        return [event.data["train_loss"] for event in events if event.data]

    def told(self) -> str:
        """All that is known, for a failure's message."""
        logs = [path.read_text() for path in self.desk.folder.glob("*.log")]
        return "\n".join([*map(str, self.jobs.newest()), *logs])

    def end(self) -> None:
        """Nobody works on after the test."""
        for job in self.jobs.newest():
            self.desk.kill(job.id)
        self.supervisor.wait()
        self.state.close()


@pytest.fixture
def clinic(make_base: Any, tmp_path: Path) -> Generator[Clinic]:
    made = Clinic(tmp_path / "home", make_base("llama"))
    yield made
    made.end()
