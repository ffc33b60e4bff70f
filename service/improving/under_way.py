"""The training of a round that goes on, as the job that others see."""

from pathlib import Path

from service.jobs.jobs import Jobs
from service.state.database import State

from .ledger import Ledger
from .round import Round


def training_of(home: Path, state: State, place: str, adapter: str) -> str | None:
    """The id of its job; None where none of the adapter's rounds is at its training. Asks the
    database: raises StateUnavailable."""
    last = Ledger(state, place).last_round(adapter)
    run = Round(home, adapter, last + 1).run.relative_to(home).as_posix()
    job = Jobs(state).of_run(place, run)
    return job.id if job is not None and job.status == "running" else None
