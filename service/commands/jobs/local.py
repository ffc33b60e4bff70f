"""A job of this home, followed in the database."""

import time
from collections.abc import Callable, Generator

from rich.console import Console

from finetune.adapters.versions import find_version
from service.commands.views.made import home_option, print_made
from service.jobs.events import Event, Events
from service.jobs.jobs import Jobs

from .following import check_end, follow_to_end
from .home_jobs import HomeJobs

LOOK = 0.5  # [seconds] from one look into the database to the next


def follow_here(here: HomeJobs, job_id: str, console: Console) -> None:
    """Show how a job of this home goes until it ends. Raises JobNotFound."""
    events = follow(here.jobs.find(job_id).id, here.jobs, here.events, here.look)
    follow_to_end(events, console, f"lora-chat jobs follow {job_id}{home_option(here.home)}")
    job = here.jobs.find(job_id)
    check_end(job.status, job.error and job.error.message)
    print_made(find_version(here.home / "adapters", job.fine_tuned_model or ""), here.home)


def follow(
    job_id: str,
    jobs: Jobs,
    events: Events,
    look: Callable[[], None],
    wait: Callable[[float], None] = time.sleep,
) -> Generator[Event]:
    """A job's events as they come, until it has ended; `look` sees to this home's jobs."""
    number, had_ended = 0, False
    while True:
        has_ended = jobs.find(job_id).has_ended
        while page := events.since(job_id, number):
            for event in page:
                number = event.number
                yield event
        if had_ended:
            return
        had_ended = has_ended
        if not has_ended:  # else once more: nothing that is told then is missed
            look()
            wait(LOOK)
