"""A training at a terminal, seen as a job."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from finetune.errors import Interrupted, TrainingStopped
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics
from service.cli import app
from service.commands.jobs.terminal import TerminalJob
from service.errors import JobRefused
from service.jobs.actions import JobActions
from service.jobs.desk import Desk
from service.jobs.events import Events
from service.jobs.jobs import Jobs
from service.state.database import STATE_FILE, open_state
from tests.service.commands.jobs.test_cli import resume_and_leave

ROOT = Path(__file__).parents[4]
DIALOGUE = "\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。\n" for i in range(12))
COMMAND = "import sys; from service.cli import main; sys.argv[0] = 'lora-chat'; main()"


def step(number: int) -> StepMetrics:
    return StepMetrics(number, 9, 2.5, 1e-3, 1.0, 300.0, 200.0, 1 << 29)


class Here:
    """A home, and a training on it that does nothing."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = open_state(home)
        self.desk = Desk(home)
        self.jobs = Jobs(self.state)
        self.events = Events(self.state)
        self.actions = JobActions(self.jobs, self.desk)
        self.data = home / "clinic.txt"
        self.data.write_text(DIALOGUE)
        self.run = home / "runs" / "tcm-1"

    def train(self, happens: Callable[[TerminalJob], None]) -> None:
        seen = TerminalJob(self.home, Silent(), lambda: open_state(self.home))
        options = {"data": self.data, "name": "tcm", "rank": 4, "seed": 7}
        training = Job(TrainConfig.model_validate(options), self.home)
        with seen.seen():
            self.run.mkdir(parents=True, exist_ok=True)
            seen.begin(training, {"num_steps": 9}, self.run)
            happens(seen)

    @property
    def told(self) -> list[str]:
        return [event.message for event in self.events.since(self.job.id, 0)]

    @property
    def job(self) -> Any:
        (job,) = self.jobs.newest()
        return job


@pytest.fixture
def here(tmp_path: Path) -> Generator[Here]:
    made = Here(tmp_path)
    yield made
    made.state.close()


def stop(_seen: TerminalJob) -> None:
    raise Interrupted("Saved.")


def test_while_it_runs_the_job_is_there_and_held(here: Here):
    def look(seen: TerminalJob) -> None:
        seen.on_step(step(1))
        job = here.job
        assert (job.status, job.source, job.step, job.num_steps) == ("running", "terminal", 1, 9)
        assert (job.name, job.seed, job.run) == ("tcm", 7, "runs/tcm-1")
        assert job.training_file == str(here.data)
        assert job.options == {"rank": 4, "promote": True}
        assert here.desk.is_held(job.id)
        stop(seen)

    with pytest.raises(Interrupted):
        here.train(look)
    assert not here.desk.is_held(here.job.id)
    assert here.told == [
        "Fine-tuning job started",
        "Step 1/9: training loss=2.50",
        "The training was stopped; what it saved is kept",
    ]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Interrupted("Saved."), "paused", None),
        (KeyboardInterrupt(), "cancelled", None),
        (TrainingStopped("The disk is full."), "failed", "training_failed"),
        (ZeroDivisionError("by zero"), "failed", "internal_error"),
    ],
)
def test_the_job_ends_as_the_training_does(
    here: Here, error: BaseException, status: str, code: str | None
):
    def fail(_seen: TerminalJob) -> None:
        raise error

    with pytest.raises(type(error)):
        here.train(fail)
    assert (here.job.status, here.job.error and here.job.error.code) == (status, code)
    assert here.run.exists()


def test_a_run_that_goes_on_is_the_same_job(here: Here):
    for _ in range(2):
        with pytest.raises(Interrupted):
            here.train(stop)
    assert here.job.status == "paused"
    assert here.told == [
        "Fine-tuning job started",
        "The training was stopped; what it saved is kept",
        "Fine-tuning job resumed",
        "The training was stopped; what it saved is kept",
    ]


def test_a_run_that_somebody_works_on_is_refused(here: Here):
    with pytest.raises(Interrupted):
        here.train(stop)
    with (
        here.desk.working_on(here.job.id),
        pytest.raises(JobRefused, match=f"jobs follow {here.job.id}"),
    ):
        here.train(stop)
    assert here.job.status == "paused"


def test_who_pauses_the_job_stops_the_training(here: Here):
    def pause(seen: TerminalJob) -> None:
        assert not seen.should_stop()
        here.actions.pause(here.job.id)
        seen.on_step(step(1))
        assert seen.should_stop()
        stop(seen)

    with pytest.raises(Interrupted, match="Saved"):
        here.train(pause)
    assert here.job.status == "paused"
    assert here.told[1:] == ["Fine-tuning job paused", "Step 1/9: training loss=2.50"]


def test_who_cancels_the_job_has_what_it_made_removed(here: Here):
    def cancel(seen: TerminalJob) -> None:
        here.actions.cancel(here.job.id)
        seen.on_step(step(1))
        assert seen.should_stop()
        stop(seen)

    with pytest.raises(Interrupted, match="cancelled; nothing that it made is kept"):
        here.train(cancel)
    assert (here.job.status, here.job.has_leftovers) == ("cancelled", False)
    assert not here.run.exists()


def test_a_database_that_fails_on_the_way_is_said_once(
    here: Here, caplog: pytest.LogCaptureFixture
):
    def lose(seen: TerminalJob) -> None:
        with here.state.begin() as connection:
            connection.execute(text("DROP TABLE job_events"))
        for number in range(1, 4):
            seen.on_step(step(number))
            assert not seen.should_stop()
        seen.succeed("tcm@1", 1)

    here.train(lose)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("The training goes on, but others cannot see it as a job")


@pytest.fixture
def finetune(tmp_path: Path, make_base: Callable[..., Path]) -> Callable[..., Result]:
    data = tmp_path / "clinic.txt"
    data.write_text(DIALOGUE)

    def run(*options: str) -> Result:
        plan = ("--name", "tcm", "--set", "epochs=2", "--report", "none", *options)
        where = ("--base", str(make_base("llama")), "--home", str(tmp_path / "home"))
        return CliRunner().invoke(app, ["finetune", str(data), *where, *plan])

    return run


def test_a_training_is_a_job_that_has_succeeded(finetune: Callable[..., Result], tmp_path: Path):
    result = finetune()
    assert result.exit_code == 0, result.output
    with closing(open_state(tmp_path / "home")) as state:
        (job,) = Jobs(state).newest()
        told = Events(state).since(job.id, 0)
    assert (job.status, job.version, job.fine_tuned_model) == ("succeeded", "tcm@1", "tcm@1")
    assert job.hyperparameters
    assert job.hyperparameters["n_epochs"] == 2
    assert job.step == job.num_steps
    assert job.trained_tokens
    assert job.estimated_finish is None
    lines = (tmp_path / "home" / job.run / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert [event.data["train_loss"] for event in told if event.data] == losses
    assert told[-1].message == "The job has successfully completed"


def test_a_database_that_cannot_be_opened_keeps_nobody_from_training(
    finetune: Callable[..., Result], tmp_path: Path
):
    (tmp_path / "home" / STATE_FILE).mkdir(parents=True)
    result = finetune()
    assert result.exit_code == 0, result.output
    assert "Adapter tcm@1" in result.output


def test_a_sweep_is_one_job(finetune: Callable[..., Result], tmp_path: Path):
    result = finetune("--sweep", "rank=1,2")
    assert result.exit_code == 0, result.output
    with closing(open_state(tmp_path / "home")) as state:
        (job,) = Jobs(state).newest()
    assert (job.status, job.run, job.version) == ("succeeded", "runs/tcm-sweep-1", "tcm@1")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["at the terminal", "in the background"])
def test_a_training_that_is_killed_is_found_and_goes_on_as_the_same_job(
    how: str, tmp_path: Path, make_base: Callable[..., Path], wait_until: Callable[..., None]
):
    data, home = tmp_path / "clinic.txt", tmp_path / "home"
    data.write_text(DIALOGUE)
    where = ("--base", str(make_base("llama")), "--home", str(home))
    plan = ("--name", "tcm", "--set", "epochs=9", "--set", "save_steps=1", "--report", "none")
    command = [sys.executable, "-c", COMMAND, "finetune", str(data), *where, *plan]
    run = home / "runs" / "tcm-1"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: any(run.glob("checkpoints/step-*")), 100)
        process.send_signal(signal.SIGKILL)
    listed = CliRunner().invoke(app, ["jobs", "list", "--json", "--home", str(home)])
    (job,) = json.loads(listed.stdout)["jobs"]
    assert (job["status"], job["source"]) == ("paused", "terminal")
    if how == "at the terminal":
        resumed = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True)
        assert resumed.returncode == 0, resumed.stderr
    else:
        resume_and_leave(job["id"], home)
        result = CliRunner().invoke(app, ["jobs", "follow", job["id"], "--home", str(home)])
        assert result.exit_code == 0, result.output
        assert "Adapter tcm@1" in result.output
    with closing(open_state(home)) as state:
        (after,) = Jobs(state).newest()
        told = [event.message for event in Events(state).since(after.id, 0)]
    assert (after.id, after.status, after.version) == (job["id"], "succeeded", "tcm@1")
    assert "The training was killed; what it saved is kept" in told
