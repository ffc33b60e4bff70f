"""What a job's process tells of its steps, and when it hears that it shall stop."""

from dataclasses import replace

import pytest

from finetune.training.observer import Silent, StepMetrics
from service.errors import StateUnavailable
from service.jobs.events import Events
from service.jobs.jobs import Jobs
from service.jobs.work.recorder import Recorder
from service.state.database import State
from tests.service.jobs.test_jobs import new_job

STEP = StepMetrics(
    step=1,
    num_steps=4,
    loss=2.0,
    learning_rate=1e-3,
    grad_norm=1.0,
    tokens_per_second=10.0,
    trained_tokens_per_second=5.0,
    memory_bytes=1,
)


class Moody(Jobs):
    """Jobs in a database that is away now and then."""

    is_away = False

    def move(self, *given: object, **values: object) -> bool:
        if self.is_away:
            raise StateUnavailable("The database does not answer.")
        return super().move(*given, **values)  # pyright: ignore[reportArgumentType] - passed on as they came


@pytest.fixture
def jobs(own_state: State) -> Moody:
    made = Moody(own_state)
    made.add(new_job("ftjob-1"), status="running", num_starts=3)
    return made


def test_steps_are_told_and_show_how_far_a_job_is(own_state: State, jobs: Moody):
    times = iter([100.0, 110.0])
    recorder = Recorder("ftjob-1", jobs, Events(own_state), Silent(), lambda: next(times))
    recorder.on_step(STEP)
    recorder.on_step(replace(STEP, step=2, loss=1.0, eval_loss=1.5))
    job = jobs.find("ftjob-1")
    assert (job.step, job.num_steps, job.num_starts) == (2, 4, 0)
    assert job.estimated_finish == 130
    last, first = Events(own_state).newest("ftjob-1")
    assert first.message == "Step 1/4: training loss=2.00"
    assert last.message == "Step 2/4: training loss=1.00, full validation loss=1.50"
    assert last.data is not None
    assert (last.data["train_loss"], last.data["valid_loss"]) == (1.0, 1.5)


def test_steps_are_told_late_where_the_database_was_away(own_state: State, jobs: Moody):
    recorder = Recorder("ftjob-1", jobs, Events(own_state), Silent())
    jobs.is_away = True
    recorder.on_step(STEP)
    recorder.on_step(replace(STEP, step=2, eval_loss=1.0))
    assert jobs.find("ftjob-1").step == 0
    jobs.is_away = False
    recorder.on_step(replace(STEP, step=3, eval_loss=1.0))
    assert jobs.find("ftjob-1").step == 3
    assert len(Events(own_state).newest("ftjob-1")) == 3
    assert not recorder.should_stop()


def test_a_job_that_is_paused_hears_of_it(own_state: State, jobs: Moody):
    recorder = Recorder("ftjob-1", jobs, Events(own_state), Silent(), often=0.0)
    assert not recorder.should_stop()
    jobs.move("ftjob-1", ["running"], "paused")
    assert recorder.should_stop()
    jobs.move("ftjob-1", ["paused"], "running")  # somebody else's by now
    assert recorder.should_stop()


def test_the_work_after_the_last_step_shows_when_it_ends(own_state: State, jobs: Moody):
    recorder = Recorder("ftjob-1", jobs, Events(own_state), Silent(), lambda: 100.0, often=0.0)
    recorder.on_work(5.0, 42.0)
    assert jobs.find("ftjob-1").estimated_finish == 142
