"""What people may do to jobs, by their status and place."""

from pathlib import Path
from typing import Any

import pytest

from finetune.training.checkpoint import is_to_finish
from service.errors import JobRefused
from service.jobs.actions import JobActions
from service.jobs.desk import Desk
from service.jobs.events import Events
from service.jobs.jobs import Jobs
from service.state.database import State
from tests.service.jobs.test_jobs import new_job


@pytest.fixture
def jobs(own_state: State) -> Jobs:
    return Jobs(own_state)


@pytest.fixture
def actions(jobs: Jobs, tmp_path: Path) -> JobActions:
    desk = Desk(tmp_path)
    jobs.add(new_job("ftjob-1", place=desk.place), status="queued")
    return JobActions(jobs, desk)


def test_a_job_is_paused_and_resumed_as_often_as_one_likes(
    jobs: Jobs, actions: JobActions, own_state: State
):
    for _ in range(2):
        assert actions.pause("ftjob-1").status == "paused"
        assert actions.resume("ftjob-1").status == "queued"
    told = [event.message for event in Events(own_state).since("ftjob-1", 0)]
    assert told == ["Fine-tuning job paused", "Fine-tuning job resumed"] * 2


def test_what_has_ended_is_neither_paused_nor_resumed_nor_cancelled(actions: JobActions):
    cancelled = actions.cancel("ftjob-1")
    assert (cancelled.status, cancelled.has_leftovers) == ("cancelled", True)
    for act in (actions.pause, actions.resume, actions.cancel, actions.finish):
        with pytest.raises(JobRefused, match="ftjob-1 is cancelled; it cannot be"):
            act("ftjob-1")


def test_a_job_that_has_trained_is_finished_and_others_are_not(
    jobs: Jobs, actions: JobActions, tmp_path: Path
):
    run = tmp_path / jobs.find("ftjob-1").run
    early: dict[str, Any] = {"step": 0}
    late: dict[str, Any] = {"step": 3, "version": "tcm@1"}
    for changed in (early, late):
        jobs.move("ftjob-1", ["queued", "running"], "running", **changed)
        with pytest.raises(JobRefused, match="cannot be finished before a step"):
            actions.finish("ftjob-1")
        assert not is_to_finish(run)
    jobs.move("ftjob-1", ["running"], version=None)
    assert actions.finish("ftjob-1").status == "running"
    assert is_to_finish(run)


def test_what_is_about_to_answer_is_not_paused(jobs: Jobs, actions: JobActions):
    jobs.move("ftjob-1", ["queued"], "running", version="tcm@1", result_files=["file-1"])
    with pytest.raises(JobRefused, match="nothing to pause"):
        actions.pause("ftjob-1")
    assert actions.cancel("ftjob-1").result_files == ()


def test_jobs_of_another_home_are_left_to_its_server(jobs: Jobs, actions: JobActions):
    jobs.add(new_job("ftjob-2", place="elsewhere"), status="queued")
    for act in (actions.pause, actions.resume, actions.cancel, actions.finish):
        with pytest.raises(JobRefused, match="another server's home"):
            act("ftjob-2")
    assert jobs.find("ftjob-2").status == "queued"
