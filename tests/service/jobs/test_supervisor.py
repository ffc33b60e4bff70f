"""Jobs from the queue to their version, in processes of their own."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from finetune.adapters.versions import find_version, list_versions
from service.jobs.work.results import COLUMNS
from tests.service.jobs.conftest import FEW, Clinic


def test_a_job_makes_a_version_and_tells_of_every_step(clinic: Clinic):
    clinic.order("ftjob-1")
    clinic.wait(lambda: clinic.answered("ftjob-1"))
    job = clinic.jobs.find("ftjob-1")
    assert (job.version, job.status, job.fine_tuned_model) == ("tcm@1", "running", None)
    assert job.trained_tokens
    assert job.started
    assert job.num_steps == job.step
    assert job.hyperparameters == {
        "n_epochs": 3,
        "batch_size": 4,
        "learning_rate_multiplier": 1.0,
    }
    run = clinic.home / job.run
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert clinic.losses("ftjob-1") == [json.loads(line)["loss"] for line in lines]
    told = [event.message for event in clinic.events.since("ftjob-1", 0)]
    assert told[:3] == [
        "Created fine-tuning job: ftjob-1",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    (results,) = job.result_files
    file = clinic.files.find(results)
    assert (file.purpose, file.filename) == ("fine-tune-results", "step_metrics.csv")
    table = clinic.files.path(file).read_text().splitlines()
    assert table[0] == ",".join(COLUMNS)
    assert len(table) == 1 + len(lines)
    clinic.wait(lambda: not clinic.desk.is_held("ftjob-1"))
    (answering,) = clinic.supervisor.look().made
    assert answering.id == "ftjob-1"


@pytest.mark.slow
def test_jobs_run_one_after_the_other_in_their_order(clinic: Clinic):
    file = clinic.bring()
    for number in range(3):
        clinic.order(f"ftjob-{number}", file=file, options={"epochs": 1})
    held: list[list[str]] = []

    def all_made() -> bool:
        now = [job.id for job in clinic.jobs.newest() if clinic.desk.is_held(job.id)]
        held.append(now)
        return all(clinic.answered(f"ftjob-{number}") for number in range(3))

    clinic.wait(all_made)
    assert max(map(len, held)) == 1
    versions = [clinic.jobs.find(f"ftjob-{number}").version for number in range(3)]
    assert versions == ["tcm@1", "tcm@2", "tcm@3"]
    assert find_version(clinic.home / "adapters", "tcm").number == "1"  # nobody has promoted others


def test_what_depends_on_the_file_fails_the_job(clinic: Clinic):
    few = clinic.bring(FEW)
    clinic.files.settle(few, "processed", None, 3)
    clinic.order("ftjob-1", file="file-" + 24 * "0")
    clinic.order("ftjob-2", file=clinic.bring("no dialogue at all\n"))
    clinic.wait(lambda: all(clinic.jobs.find(f"ftjob-{n}").has_ended for n in (1, 2)))
    first, second = (clinic.jobs.find(f"ftjob-{n}").error for n in (1, 2))
    assert first is not None
    assert second is not None
    assert (first.code, first.param) == ("file_not_found", "training_file")
    assert (second.code, second.param) == ("invalid_training_file", "training_file")
    assert str(clinic.home) not in second.message
    assert clinic.events.newest("ftjob-2", limit=1)[0].level == "error"
    assert not (clinic.home / "adapters").exists()
    clinic.wait(
        lambda: (
            sorted(p.name for p in clinic.desk.folder.iterdir())
            == ["ftjob-2.log", "place", "taking.lock"]
        )
    )


@pytest.mark.slow
def test_a_cancelled_job_leaves_nothing(clinic: Clinic):
    clinic.order("ftjob-1", options={"epochs": 50})
    clinic.wait(lambda: clinic.jobs.find("ftjob-1").step > 2)
    assert clinic.actions.cancel("ftjob-1").status == "cancelled"
    clinic.wait(lambda: not clinic.jobs.find("ftjob-1").has_leftovers)
    assert not (clinic.home / "runs" / "ftjob-1").exists()
    assert not list((clinic.home / "adapters").glob("tcm/*"))
    clinic.wait(
        lambda: sorted(p.name for p in clinic.desk.folder.iterdir()) == ["place", "taking.lock"]
    )


@pytest.mark.slow
def test_a_job_that_is_cancelled_when_its_version_is_made_takes_it_along(clinic: Clinic):
    clinic.order("ftjob-1", options={"epochs": 1})
    clinic.wait(lambda: clinic.answered("ftjob-1"))
    assert list_versions(clinic.home / "adapters", "tcm") == ["1"]
    clinic.actions.cancel("ftjob-1")
    clinic.wait(lambda: not clinic.jobs.find("ftjob-1").has_leftovers)
    assert list_versions(clinic.home / "adapters", "tcm") == []


def weights(folder: Path) -> dict[str, bytes]:
    found = load_file(folder / "adapter_model.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in found.items()}


@pytest.mark.slow
def test_a_paused_job_leaves_memory_and_goes_on_with_the_same_losses(clinic: Clinic):
    file = clinic.bring()
    clinic.order("ftjob-1", file=file)
    clinic.wait(lambda: clinic.answered("ftjob-1"))
    clinic.order("ftjob-2", file=file)
    clinic.wait(lambda: clinic.jobs.find("ftjob-2").step > 0)
    assert clinic.actions.pause("ftjob-2").status == "paused"
    clinic.wait(lambda: not clinic.desk.is_held("ftjob-2"))
    step = clinic.jobs.find("ftjob-2").step
    assert clinic.jobs.find("ftjob-2").status == "paused"
    assert clinic.actions.resume("ftjob-2").status == "queued"
    clinic.wait(lambda: clinic.answered("ftjob-2"))
    assert clinic.losses("ftjob-2") == pytest.approx(clinic.losses("ftjob-1"), abs=1e-4)
    assert 0 < step <= len(clinic.losses("ftjob-2"))


@pytest.mark.slow
def test_two_servers_on_one_home_never_run_a_job_twice(clinic: Clinic):
    other = clinic.supervise()
    clinic.order("ftjob-1", options={"epochs": 1})

    def both_have_looked() -> bool:
        other.see_to()
        return clinic.answered("ftjob-1")

    clinic.wait(both_have_looked)
    other.wait()
    assert list_versions(clinic.home / "adapters", "tcm") == ["1"]
    assert (
        sum(
            event.message == "Fine-tuning job started"
            for event in clinic.events.since("ftjob-1", 0)
        )
        == 1
    )
    lines = (clinic.home / "runs" / "ftjob-1" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == clinic.jobs.find("ftjob-1").num_steps


def test_a_job_whose_process_dies_again_and_again_is_given_up(clinic: Clinic):
    clinic.order("ftjob-1")
    clinic.wait(lambda: clinic.jobs.find("ftjob-1").status == "queued")
    clinic.jobs.move("ftjob-1", ["queued"], "running", num_starts=5)
    clinic.supervisor.see_to()
    job = clinic.jobs.find("ftjob-1")
    assert job.error is not None
    assert (job.status, job.error.code) == ("failed", "worker_died")
    assert "jobs/ftjob-1.log" in job.error.message
