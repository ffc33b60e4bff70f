"""A job of this home, followed in the database."""

from service.commands.jobs.local import follow
from service.jobs.events import Events, News
from service.jobs.jobs import Jobs
from service.state.database import State
from tests.service.jobs.test_jobs import new_job


def test_a_job_of_this_home_is_followed_until_it_has_ended(state: State):
    jobs, events = Jobs(state), Events(state)
    jobs.add(new_job("ftjob-1"), status="running")
    events.tell("ftjob-1", News("created", "Created fine-tuning job"))
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    def wait(_seconds: float) -> None:
        """Others go on meanwhile; the last event comes after the last change."""
        events.tell("ftjob-1", News(f"step-{looks}", f"Step {looks}"))
        if looks == 2:
            jobs.move("ftjob-1", ["running"], "succeeded")

    messages: list[str] = []
    for event in follow("ftjob-1", jobs, events, look, wait):
        messages.append(event.message)
        if event.message == "Step 2":
            events.tell("ftjob-1", News("end", "The job has successfully completed"))
    assert messages == [
        *("Created fine-tuning job", "Step 1", "Step 2", "The job has successfully completed")
    ]
