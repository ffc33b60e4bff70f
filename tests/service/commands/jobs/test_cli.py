"""`lora-chat jobs` as a person or a script meets it."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.accounts.keys import Keys, KeyWish
from service.cli import app
from service.commands.jobs import home_jobs
from service.errors import JobNotFound, JobRefused
from service.jobs.job import JobError
from service.running import RunningServer
from tests.service.jobs.conftest import Clinic

ROOT = Path(__file__).parents[4]
Run = Callable[..., Result]


@pytest.fixture
def clinic(make_base: Any, tmp_path: Path) -> Generator[Clinic]:
    made = Clinic(tmp_path / "home", make_base("llama"))
    yield made
    made.end()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("LORA_CHAT_DATABASE", raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> Result:
        command = ["jobs", *arguments, "--home", str(tmp_path / "home")]
        return CliRunner().invoke(app, command, catch_exceptions=False)

    return call


def test_a_list_says_how_far_jobs_are_and_whose(run: Run, clinic: Clinic):
    key, _ = Keys(clinic.state).create(KeyWish("安娜"))
    clinic.order("ftjob-1", key_id=key.id)
    clinic.jobs.move("ftjob-1", ["validating_files"], "paused", step=3, num_steps=1200)
    clinic.order("ftjob-2", name="中医", source="terminal")
    clinic.jobs.move("ftjob-2", ["validating_files"], "failed")
    lines = [line.split() for line in run("list").stdout.splitlines()]
    assert lines[0] == ["id", "adapter", "status", "step", "began", "whose"]
    assert lines[1] == ["ftjob-2", "中医", "failed", "(a", "terminal)"]
    assert lines[2] == ["ftjob-1", "tcm", "paused", "3/1,200", "安娜"]
    jobs = json.loads(run("list", "--limit", "1", "--json").stdout)["jobs"]
    assert [(job["id"], job["status"], job["key_name"]) for job in jobs] == [
        ("ftjob-2", "failed", None)
    ]


def test_an_empty_list_says_how_a_job_comes_to_be(run: Run):
    assert "lora-chat finetune FILE" in run("list").stdout
    assert json.loads(run("list", "--json").stdout) == {"jobs": []}


def test_where_no_server_runs_the_list_says_that_nothing_begins_by_itself(run: Run, clinic: Clinic):
    clinic.order("ftjob-1")
    assert "`lora-chat jobs resume JOB`" in " ".join(run("list").stderr.split())
    run("cancel", "ftjob-1")
    assert run("list").stderr == ""


@pytest.mark.parametrize("runs_jobs", [True, False])
def test_a_server_that_runs_no_jobs_does_not_see_to_them(
    run: Run, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, runs_jobs: bool
):
    server = RunningServer(
        url="http://127.0.0.1:1",
        process_id=1,
        machine="clinic",
        base="smollm2-135m",
        started=datetime.now(UTC),
        runs_jobs=runs_jobs,
    )
    started: list[str] = []
    monkeypatch.setattr(home_jobs, "find_running", lambda _: [server])
    monkeypatch.setattr(home_jobs, "start_worker", lambda _desk, job, *_: started.append(job))
    clinic.order("ftjob-1")
    assert ("does not begin by itself" in run("list").stderr) is not runs_jobs
    resumed = run("resume", "ftjob-1").stdout + run("resume", "ftjob-1").stderr
    assert ("as soon as its turn has come" in resumed) is runs_jobs
    assert bool(started) is not runs_jobs


def test_all_that_is_known_of_a_job_is_shown(run: Run, clinic: Clinic):
    file = clinic.bring(name="医案.txt")
    clinic.order("ftjob-1", file=file, metadata={"clinic": "甲"})
    error = JobError("training_failed", "The disk is full.")
    numbers = {"n_epochs": 3, "batch_size": 4}
    clinic.jobs.move(
        "ftjob-1", ["validating_files"], "failed", error=error, hyperparameters=numbers
    )
    (clinic.home / "runs" / "ftjob-1").mkdir(parents=True)
    shown = " ".join(run("show", "ftjob-1").stdout.split())
    for said in (
        "status failed",
        "error The disk is full. (training_failed)",
        f"医案.txt ({file})",
        "n_epochs 3, batch_size 4",
        "learning_rate 0.01",
        "seed 7",
        "clinic 甲",
        "whose (no key)",
    ):
        assert said in shown
    known = json.loads(run("show", "ftjob-1", "--json").stdout)
    assert known["error"] == {"code": "training_failed", "message": error.message, "param": None}
    assert known["run"] == str(clinic.home / "runs" / "ftjob-1")


@pytest.mark.parametrize("command", ["show", "follow", "cancel", "pause", "resume"])
def test_a_job_that_is_not_there_is_named(run: Run, command: str):
    with pytest.raises(JobNotFound, match="ftjob-9"):
        run(command, "ftjob-9")


def test_a_job_that_waits_is_cancelled_and_leaves_nothing(run: Run, clinic: Clinic):
    clinic.order("ftjob-1")
    assert run("cancel", "ftjob-1").stdout == "The job ftjob-1 is cancelled.\n"
    job = clinic.jobs.find("ftjob-1")
    assert (job.status, job.has_leftovers) == ("cancelled", False)
    with pytest.raises(JobRefused, match="is cancelled"):
        run("cancel", "ftjob-1")
    followed = run("follow", "ftjob-1")
    assert (followed.exit_code, followed.stdout) == (1, "")
    assert followed.stderr.splitlines()[-1] == "The job was cancelled."


def test_a_job_is_not_started_where_as_many_run_as_may(run: Run, clinic: Clinic):
    for number in (1, 2):
        clinic.order(f"ftjob-{number}")
    clinic.jobs.move("ftjob-1", ["validating_files"], "running")
    with clinic.desk.working_on("ftjob-1"):
        assert "lora-chat jobs resume ftjob-2" in run("pause", "ftjob-2").stdout
        assert "waits: ftjob-1 runs" in run("resume", "ftjob-2").stdout
    assert clinic.jobs.find("ftjob-2").status == "queued"
    assert not clinic.desk.is_held("ftjob-2")


def resume_and_leave(job_id: str, home: Path) -> str:
    """By a process of its own, which the job's outlives; returns what it says."""
    program = (sys.executable, "-m", "service.cli")
    command = [*program, "jobs", "resume", job_id, "--home", str(home)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_job_is_done_without_a_server(run: Run, clinic: Clinic):
    clinic.order("ftjob-1", options={"epochs": 2})
    run("list")  # looks at its file
    resumed = resume_and_leave("ftjob-1", clinic.home)
    assert "goes on in the background" in resumed
    followed = run("follow", "ftjob-1")
    assert followed.exit_code == 0, followed.output
    assert "Fine-tuning job started" in followed.stderr
    assert "Adapter tcm@1" in followed.stdout
    assert f"Ask it: lora-chat chat tcm --home {clinic.home}" in followed.stdout
    job = clinic.jobs.find("ftjob-1")
    assert (job.status, job.fine_tuned_model) == ("succeeded", "tcm@1")
