"""A training at a terminal as a job, which others can see, wait for and stop."""

import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from data.errors import DataError
from data.wording import N_, _
from finetune.errors import FinetuneError, Interrupted
from finetune.job import Job
from finetune.training.observer import Observer, Silent, StepMetrics
from service.errors import JobRefused, StateUnavailable
from service.files.files import Files
from service.jobs.desk import Desk
from service.jobs.discard import discard
from service.jobs.events import Events, Level, News
from service.jobs.job import JobError, NewJob, Status, new_job_id
from service.jobs.jobs import Jobs
from service.jobs.work.recorder import Recorder
from service.jobs.work.worker import error_of
from service.state.database import State

from .acceptance import accept

logger = logging.getLogger(__name__)

TOLD_APART = {"data", "validation", "name", "output_dir", "seed"}  # from a job's options
AGAIN: dict[str, Any] = {
    "source": "terminal",
    "error": None,
    "finished": None,
    "has_leftovers": False,
}
GONE_ON_FROM: tuple[Status, ...] = ("running", "paused", "queued", "failed", "cancelled")
REST = 60.0  # [seconds] until a database that has failed is tried again
OUTAGES = (StateUnavailable, SQLAlchemyError, FinetuneError, OSError)  # that end no training
NOT_SEEN = N_("The training goes on, but others cannot see it as a job: %s")
CANCELLED = N_("The job was cancelled; nothing that it made is kept.")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Record:
    """Where the job of this process stands."""

    job_id: str
    jobs: Jobs
    events: Events
    desk: Desk
    recorder: Recorder
    lock: ExitStack


@dataclass(frozen=True, slots=True)
class Ending:
    """What is told of a training that has not come to its end."""

    status: Status
    what: str
    message: str
    level: Level = "warn"
    error: JobError | None = None


STOPPED = Ending("paused", "stopped", N_("The training was stopped; what it saved is kept"))
ABANDONED = Ending(
    "cancelled", "cancelled", N_("The training was stopped before anything was saved")
)


class TerminalJob:
    """An observer that makes a job of the training that it is told of, and tells another one.

    The training goes on whatever becomes of the database: what fails there is said once.
    """

    def __init__(self, home: Path, observer: Observer, open_state: Callable[[], State]) -> None:
        self._home = home
        self._observer = observer
        self._open_state = open_state
        self._stack = ExitStack()
        self._record: Record | None = None
        self._resting_until = 0.0  # since the database has failed
        self._has_warned = False

    def on_stage(self, text: str) -> None:
        self._observer.on_stage(text)

    def on_step(self, metrics: StepMetrics) -> None:
        self._try(lambda record: record.recorder.on_step(metrics))
        self._observer.on_step(metrics)

    def on_work(self, done: float, left: float) -> None:
        self._observer.on_work(done, left)

    def should_stop(self) -> bool:
        is_unwanted = self._try(lambda record: record.recorder.should_stop())
        return self._observer.should_stop() or bool(is_unwanted)

    @contextmanager
    def seen(self) -> Generator[None]:
        """Tell the job how the block ends, which is the training. Raises Interrupted where somebody
        has cancelled it."""
        with self._stack:
            try:
                yield
            except Interrupted:
                if self._end(STOPPED):
                    raise Interrupted(_(CANCELLED)) from None
                raise
            except KeyboardInterrupt:
                self._end(ABANDONED)
                raise
            except Exception as error:
                said = self._error(error)
                self._end(Ending("failed", "failed", said.message, "error", said))
                raise
            if self._end(None):
                raise Interrupted(_(CANCELLED))

    def begin(self, training: Job, known: Mapping[str, Any], run: Path) -> None:
        """Let the training be a job from now on; a run that goes on is the job that it was. `known`
        are values of the job. Raises JobRefused where another process works on the same run."""
        try:
            self._record = self._begin(training, known, run)
        except OUTAGES as error:
            self._warn(error)

    def succeed(self, version: str, trained_tokens: int) -> None:
        """The version is there; at a terminal it counts once its files are found whole."""

        def tell(record: Record) -> None:
            record.recorder.flush()
            record.jobs.move(record.job_id, ["paused"], "running")  # it was too late for that
            record.jobs.move(
                record.job_id, ["running"], version=version, trained_tokens=trained_tokens
            )
            accept(record.jobs.find(record.job_id), version, record.jobs, record.desk)

        self._try_now(tell)

    def _begin(self, training: Job, known: Mapping[str, Any], run: Path) -> Record:
        state = self._stack.enter_context(closing(self._open_state()))
        desk, jobs, events = Desk(self._home), Jobs(state), Events(state)
        path = self._path(run)
        before = jobs.of_run(desk.place, path)
        job_id = before.id if before else new_job_id()
        lock = self._stack.enter_context(ExitStack())
        if not lock.enter_context(desk.working_on(job_id)):
            told = _("Another process works on this run. See it: lora-chat jobs follow {id}")
            raise JobRefused(told.format(id=job_id))
        if before:
            resumed = News("resumed", N_("Fine-tuning job resumed"), may_recur=True)
            jobs.move(job_id, GONE_ON_FROM, "running", news=[resumed], **{**AGAIN, **known})
        else:
            new = _new_job(job_id, desk.place, path, training)
            started = News("started", N_("Fine-tuning job started"), may_recur=True)
            now = int(time.time())
            jobs.add(new, status="running", news=[started], started=now, **known)
        recorder = Recorder(job_id, jobs, events, Silent(), on_outage=self._rest)
        return Record(job_id, jobs, events, desk, recorder, lock)

    def _path(self, run: Path) -> str:
        """Below home, or from the root."""
        whole = run.absolute()
        is_below = whole.is_relative_to(self._home)
        return whole.relative_to(self._home).as_posix() if is_below else str(whole)

    def _error(self, error: Exception) -> JobError:
        if isinstance(error, DataError | FinetuneError):
            return error_of(error, self._home)
        return JobError("internal_error", f"{type(error).__name__}: {error}")

    def _end(self, ending: Ending | None) -> bool:
        """Tell how the training ended, if the job runs still, and let go of it. Returns whether
        somebody has cancelled it; what it made is removed then."""

        def tell(record: Record) -> bool:
            record.recorder.flush()
            if ending is not None:
                told = News(ending.what, ending.message, level=ending.level, may_recur=True)
                is_so = {"error": ending.error, "estimated_finish": None}
                record.jobs.move(record.job_id, ["running"], ending.status, news=[told], **is_so)
            job = record.jobs.find(record.job_id)
            record.lock.close()
            if job.has_leftovers:
                discard(job, record.desk, Files(record.jobs.state, self._home, job.place))
                record.jobs.move(job.id, [job.status], has_leftovers=False)
            elif job.has_ended:
                record.desk.forget(job.id)
            return job.status == "cancelled"

        return self._try_now(tell) or False

    def _try_now(self, act: Callable[[Record], Answer]) -> Answer | None:
        self._resting_until = 0.0
        return self._try(act)

    def _try(self, act: Callable[[Record], Answer]) -> Answer | None:
        """None where the database cannot be asked."""
        if self._record is None or time.monotonic() < self._resting_until:
            return None
        try:
            return act(self._record)
        except OUTAGES as error:
            self._rest(error)
            return None

    def _rest(self, error: Exception) -> None:
        self._resting_until = time.monotonic() + REST
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            logger.warning(_(NOT_SEEN), error)
        self._has_warned = True


def _new_job(job_id: str, place: str, run: str, training: Job) -> NewJob:
    config = training.config
    options = config.model_dump(mode="json", exclude_unset=True, exclude=TOLD_APART)
    return NewJob(
        id=job_id,
        key_id="",
        place=place,
        model=config.from_adapter or config.base,
        name=training.name,
        training_file=_absolute(training.data_path),
        validation_file=None if config.validation is None else _absolute(config.validation),
        run=run,
        options={"promote": config.promote, **options},
        seed=config.seed,
        source="terminal",
    )


def _absolute(data: Path) -> str:
    """What is no file, such as a data set's name, as it is."""
    return str(data.absolute() if data.exists() else data)
