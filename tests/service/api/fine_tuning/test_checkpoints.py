"""Checkpoints are those that lie there, with what was measured at their steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from finetune.adapters.card import BEST_STEP
from finetune.training.run import SERVED_FOLDER
from service.jobs.events import News
from service.jobs.measurements import Measurements
from tests.service.jobs.test_jobs import new_job


@pytest.fixture
def job_id(service: Any, openai: OpenAI) -> str:
    file_id = service.add_file()
    job = openai.fine_tuning.jobs.create(model="base", training_file=file_id, suffix="tcm")
    service.jobs.move(job.id, ["validating_files"], "running")
    return job.id


@pytest.fixture
def save(
    service: Any, tmp_path: Path, job_id: str, add_adapter: Callable[..., Path]
) -> Callable[[int], None]:
    """Let a checkpoint lie there."""
    served = tmp_path / "runs" / job_id / SERVED_FOLDER

    def write(step: int) -> None:
        served.mkdir(parents=True, exist_ok=True)
        add_adapter("making", str(step)).rename(served / f"step-{step:06d}")
        measured = {"step": step, "train_loss": 2 / step, "valid_loss": 3 / step, "other": 1}
        service.events.tell(job_id, News(f"step-{step}", "x", measured))

    return write


def test_a_job_of_another_home_has_none_here(
    service: Any, openai: OpenAI, add_adapter: Callable[..., Path], tmp_path: Path
):
    for job_id, place in (("ftjob-here", service.desk.place), ("ftjob-there", "elsewhere")):
        new = new_job(job_id, place=place, key_id="", name="tcm", run="runs/both")
        service.jobs.add(new, status="running")
    served = tmp_path / "runs" / "both" / SERVED_FOLDER
    served.mkdir(parents=True)
    add_adapter("making", "4").rename(served / "step-4")
    listed = openai.fine_tuning.jobs.checkpoints.list
    assert [each.step_number for each in listed("ftjob-here").data] == [4]
    assert listed("ftjob-there").data == []
    add_adapter("tcm", "1", metrics={BEST_STEP: 4})
    for job_id in ("ftjob-here", "ftjob-there"):
        service.jobs.move(job_id, ["running"], "succeeded", fine_tuned_model="tcm@1")
    assert [each.step_number for each in listed("ftjob-here").data] == [4]
    assert listed("ftjob-there").data == []


def test_checkpoints_come_newest_first_with_what_was_measured(
    openai: OpenAI, job_id: str, save: Callable[[int], None]
):
    for step in (2, 40, 5):
        save(step)
    page = openai.fine_tuning.jobs.checkpoints.list(job_id, limit=2)
    assert [each.step_number for each in page.data] == [40, 5]
    assert page.has_more
    found = list(page)  # the client asks for the other pages
    short = job_id.removeprefix("ftjob-")
    assert [each.fine_tuned_model_checkpoint for each in found] == [
        f"ft:base::tcm:{short}:ckpt-step-{step}" for step in (40, 5, 2)
    ]
    assert found[0].to_dict() == {
        "id": f"ftckpt_{short}-40",
        "object": "fine_tuning.job.checkpoint",
        "created_at": found[0].created_at,
        "fine_tuned_model_checkpoint": f"ft:base::tcm:{short}:ckpt-step-40",
        "fine_tuning_job_id": job_id,
        "metrics": {
            "step": 40,
            "train_loss": 0.05,
            "train_mean_token_accuracy": None,
            "valid_loss": 0.075,
            "valid_mean_token_accuracy": None,
            "full_valid_loss": None,
            "full_valid_mean_token_accuracy": None,
        },
        "step_number": 40,
    }


def test_steps_are_asked_for_alone(service: Any, job_id: str):
    for step in range(1, 5):
        measured = {"step": step, "train_loss": 2.0}
        service.events.tell(job_id, News(f"step-{step}", "x", measured))
    found = Measurements(service.state).at(job_id, [2, 4, 9])
    assert found == {step: {"step": step, "train_loss": 2.0} for step in (2, 4)}
    assert Measurements(service.state).at("ftjob-other", [2]) == {}


def test_a_job_without_checkpoints_has_an_empty_list(openai: OpenAI, job_id: str):
    page = openai.fine_tuning.jobs.checkpoints.list(job_id)
    assert (page.data, page.has_more) == ([], False)
    assert page.to_dict() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_a_checkpoint_that_has_gone_is_none_to_go_on_from(openai: OpenAI, job_id: str):
    with pytest.raises(BadRequestError) as refused:
        openai.fine_tuning.jobs.checkpoints.list(job_id, after="ftckpt_1")
    assert refused.value.param == "after"


def test_of_an_ended_job_the_one_that_was_kept_is_left(
    service: Any,
    openai: OpenAI,
    job_id: str,
    save: Callable[[int], None],
    add_adapter: Callable[..., Path],
):
    for step in (2, 40):
        save(step)
    add_adapter("tcm", "3", metrics={BEST_STEP: 2})
    service.jobs.move(job_id, ["running"], "succeeded", fine_tuned_model="tcm@3")
    (kept,) = openai.fine_tuning.jobs.checkpoints.list(job_id).data
    assert (kept.step_number, kept.metrics.valid_loss) == (2, 1.5)


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_what_a_job_has_left_behind_that_ended_otherwise_is_no_checkpoint(
    service: Any, openai: OpenAI, job_id: str, save: Callable[[int], None], status: str
):
    save(2)
    service.jobs.move(job_id, ["running"], status)
    assert openai.fine_tuning.jobs.checkpoints.list(job_id).data == []
