"""Fine-tuning in one server, put together: its files, its jobs, and who looks after them."""

from dataclasses import dataclass
from functools import partial

from service.files.files import Files
from service.http.gate import Gate
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.engine import Engine

from .actions import JobActions
from .desk import Desk
from .events import Events
from .jobs import Jobs
from .start import start_worker
from .stepping_aside import SteppingAside
from .supervisor import Supervisor
from .verification import Verification
from .watch import JobWatch


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What the routes need."""

    files: Files
    jobs: Jobs
    events: Events
    desk: Desk
    actions: JobActions
    watch: JobWatch


def open_fine_tuning(
    engine: Engine,
    models: Models,
    settings: ServiceSettings,
    gate: Gate,
    state: State,
    files: Files,
) -> FineTuning:
    """Everything on one home; nothing runs yet."""
    desk = Desk(settings.home)
    jobs, events = Jobs(state), Events(state)
    start = partial(start_worker, desk, database=settings.database, slots=settings.job_slots)
    supervisor = Supervisor(jobs, events, files, desk, start, settings.job_slots)
    aside = SteppingAside(engine, gate, settings.grace) if settings.jobs == "exclusive" else None
    watch = JobWatch(supervisor, Verification(engine, models), jobs, events, desk, aside)
    return FineTuning(files, jobs, events, desk, JobActions(jobs, events, desk), watch)
