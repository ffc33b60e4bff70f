"""What a server trains with: its files, its jobs, and who looks after them."""

import logging
from dataclasses import dataclass
from functools import partial

from service.files.files import Files
from service.http.gate import Gate
from service.models import Models
from service.running import named_base
from service.settings import ServiceSettings
from service.state.database import State
from service.telemetry.metrics import Metrics
from serving.engine import Engine

from .counting import Counting
from .desk import Desk
from .job import ENDED, UNFINISHED
from .jobs import Jobs
from .start import start_worker
from .stepping_aside import SteppingAside
from .supervisor import Supervisor
from .verification import Verification
from .watch import JobWatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Belongs to one home."""

    state: State
    desk: Desk
    files: Files
    watch: JobWatch


def open_workshop(
    engine: Engine,
    models: Models,
    settings: ServiceSettings,
    gate: Gate,
    state: State | None,
    metrics: Metrics,
) -> Workshop | None:
    """None where nothing can be trained: it is turned off, or nothing can be kept."""
    told = metrics.of_jobs(UNFINISHED, ENDED)
    if state is None or state.is_read_only or settings.jobs == "off":
        return None
    try:
        desk = Desk(settings.home)
        files = Files(state, settings.home, desk.place)
    except OSError as error:
        logger.warning("Nothing can be trained here: %s", error)
        return None
    jobs = Jobs(state)
    start = partial(start_worker, desk, database=settings.database, slots=settings.job_slots)
    supervisor = Supervisor(jobs, files, desk, start, settings.job_slots)
    aside = SteppingAside(engine, gate, settings.grace) if settings.jobs == "exclusive" else None
    watch = JobWatch(
        supervisor,
        Verification(engine, models),
        jobs,
        desk,
        named_base(settings.base),
        Counting(jobs, told),
        aside,
    )
    return Workshop(state, desk, files, watch)
