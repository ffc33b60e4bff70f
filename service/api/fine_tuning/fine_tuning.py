"""All that is done with fine-tuning jobs, put together."""

from collections.abc import Callable
from typing import Protocol

from service.accounts.keys import Keys
from service.files.files import Files
from service.http.gate import Gate
from service.jobs.actions import JobActions
from service.jobs.aliases import Aliases
from service.jobs.desk import Desk
from service.jobs.events import Events
from service.jobs.job import NewJob
from service.jobs.jobs import Jobs
from service.jobs.measurements import Measurements
from service.jobs.planning import Plan
from service.models import Models
from service.state.database import State

from .checkpoints import Checkpoints
from .creation import JobCreation
from .event_stream import EventStreams
from .fit import Fit
from .names import AdapterNames
from .origins import Origins
from .own_jobs import OwnJobs


class Planner(Protocol):
    async def plan(self, new: NewJob) -> Plan: ...


class FineTuning:
    """What the routes work with."""

    def __init__(
        self,
        state: State,
        desk: Desk,
        files: Files,
        models: Models,
        base: str,
        planner: Planner,
        fit: Fit,
        gate: Gate,
        wake: Callable[[], None],
    ) -> None:
        """`base` is what the server was told to serve; `wake` says that there is a new job."""
        jobs, events, keys = Jobs(state), Events(state), Keys(state)
        origins, names = Origins(models, base), AdapterNames(models, keys, base)
        self.own = OwnJobs(jobs, events)
        self.creation = JobCreation(jobs, events, files, origins, names, desk, fit, wake)
        self.planner = planner
        self.actions = JobActions(jobs, desk)
        self.streams = EventStreams(jobs, events, gate)
        self.checkpoints = Checkpoints(Measurements(state), Aliases(jobs, desk.home, models.store))
