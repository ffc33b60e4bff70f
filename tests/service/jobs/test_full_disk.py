"""A disk that is full ends a job with words; with room again, it goes on where it was."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from finetune.training.checkpoint import list_checkpoints
from service.jobs.supervisor import Supervisor
from tests.service.jobs.conftest import Clinic


@pytest.fixture
def small(make_base: Any, disk_for_a_run: Path, tmp_path: Path) -> Generator[Clinic]:
    """A home on a small disk, and the database on another one."""
    database = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    made = Clinic(disk_for_a_run, make_base("llama"), database=database)
    yield made
    made.end()


def fill(path: Path, left: int = 0) -> None:
    """Leave so many bytes of the disk, whoever writes at the same time."""
    with path.open("wb") as file:
        while (free := shutil.disk_usage(path.parent).free) > left:
            with suppress(OSError):  # somebody was faster
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free - left)


@pytest.mark.slow
def test_a_job_on_a_full_disk_fails_with_words_and_goes_on_when_there_is_room(small: Clinic):
    small.order("ftjob-1", options={"epochs": 20, "patience": 99})
    run = small.home / "runs" / "ftjob-1"
    small.wait(lambda: list_checkpoints(run), every=0.01)
    filling = small.home / "filling"
    fill(filling)
    small.wait(lambda: small.jobs.find("ftjob-1").has_ended)
    job = small.jobs.find("ftjob-1")
    assert (job.status, job.version) == ("failed", None)
    assert job.error is not None
    assert job.error.code == "disk_full", small.told()
    assert "No space left on device" in job.error.message
    assert "resume the job" in job.error.message
    assert str(small.home) not in job.error.message
    assert list_checkpoints(run)
    reached = len(small.losses("ftjob-1"))
    assert reached >= 1
    small.wait(lambda: not small.desk.is_held("ftjob-1"))
    filling.unlink()
    small.actions.resume("ftjob-1")
    small.wait(lambda: small.answered("ftjob-1"))
    job = small.jobs.find("ftjob-1")
    assert job.version == "tcm@1"
    assert job.num_steps is not None
    assert len(small.losses("ftjob-1")) == job.num_steps > reached


def test_a_job_that_finds_too_little_room_blames_the_disk(small: Clinic):
    file = small.bring()
    fill(small.home / "filling", left=2 << 20)
    small.order("ftjob-1", file=file)
    small.wait(lambda: small.jobs.find("ftjob-1").has_ended)
    error = small.jobs.find("ftjob-1").error
    assert error is not None
    assert (error.code, error.param) == ("disk_full", None), small.told()


def test_jobs_wait_for_a_disk_without_any_room(small: Clinic, caplog: pytest.LogCaptureFixture):
    file = small.bring()
    started: list[str] = []

    def start(job_id: str) -> "subprocess.Popen[bytes]":
        started.append(job_id)
        return subprocess.Popen([sys.executable, "-c", ""])

    supervisor = Supervisor(small.jobs, small.files, small.desk, start)
    filling = small.home / "filling"
    fill(filling)
    small.order("ftjob-1", file=file)
    for _ in range(4):
        supervisor.see_to()
    assert [record.message for record in caplog.records] == [
        f"The disk of {small.home} is full: jobs wait for room"
    ]
    assert started == []
    filling.unlink()
    supervisor.see_to()
    supervisor.wait()
    assert started == ["ftjob-1"]
