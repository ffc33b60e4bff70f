"""Trainings as the page finds them: of another server's home, so that nobody here works on them."""

from typing import Any

from service.jobs.events import Events, News
from service.jobs.job import NewJob
from service.jobs.jobs import Jobs
from service.state.database import State

JOB = "ftjob-5f0c1d2e3a4b"
NUM_STEPS = 1000  # that are done, of twice as many


def measured(state: State, job_id: str = JOB, suffix: str = "tcm", **values: Any) -> None:
    """A job with its losses, and with other values of its row."""
    new = NewJob(
        id=job_id,
        key_id="",
        place="elsewhere",
        model="base",
        name="tcm",
        suffix=suffix,
        training_file="file-1",
        run=f"runs/{job_id}",
        options={},
        seed=7,
    )
    Jobs(state).add(new, **values)
    steps = (step(number) for number in range(1, NUM_STEPS + 1))
    Events(state).tell(job_id, News("created", f"Created fine-tuning job: {suffix}"), *steps)


def step(number: int) -> News:
    data: dict[str, Any] = {
        "step": number,
        "total_steps": 2 * NUM_STEPS,
        "train_loss": 3 - number / 500,
    }
    if number % 100 == 0:
        data["full_valid_loss"] = 2 + abs(number - 600) / 1000
    return News(f"step-{number}", f"Step {number}", data)
