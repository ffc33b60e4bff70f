"""An observer that tells of a run in the database, and asks there whether it shall go on."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from data.wording import N_
from finetune.training.observer import Observer, StepMetrics
from service.errors import StateUnavailable
from service.jobs.events import Events, News
from service.jobs.jobs import Jobs

logger = logging.getLogger(__name__)

OFTEN = 0.5  # [seconds]
BATCH = 200  # events in one transaction


def _log(error: StateUnavailable) -> None:
    logger.warning("The database cannot be asked whether to go on, nor told of steps: %s", error)


class Recorder:
    """Tells of steps as metrics events, and how far a job is."""

    def __init__(
        self,
        job_id: str,
        jobs: Jobs,
        events: Events,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        often: float = OFTEN,
        on_outage: Callable[[StateUnavailable], None] = _log,
    ) -> None:
        self._job_id = job_id
        self._jobs = jobs
        self._events = events
        self._observer = observer
        self._clock = clock
        self._often = often  # [seconds] between two looks into the database
        self._on_outage = on_outage  # is told that the database is away
        self._untold: list[StepMetrics] = []
        self._looked = 0.0
        self._is_stopped = False
        self._first: tuple[int, float] | None = None  # a step, and when it was done

    def on_stage(self, text: str) -> None:
        self._observer.on_stage(text)

    def on_step(self, metrics: StepMetrics) -> None:
        self._untold.append(metrics)
        if metrics.eval_loss is not None or metrics.step == 1 or self._is_time():
            self.flush()
        self._observer.on_step(metrics)

    def on_work(self, done: float, left: float) -> None:
        if self._is_time():
            self._expect(int(self._clock() + left))
        self._observer.on_work(done, left)

    def should_stop(self) -> bool:
        """Whether the job shall not run any more: it was paused or cancelled."""
        if self._is_time():
            self._look()
        return self._is_stopped or self._observer.should_stop()

    def flush(self) -> None:
        """Tell what has not been told; where the database is away, the next time."""
        self._looked = time.monotonic()
        try:
            self.tell_rest()
        except StateUnavailable as error:
            self._on_outage(error)

    def tell_rest(self) -> None:
        """Tell what has not been told. Raises StateUnavailable."""
        if not self._untold:
            return
        untold = self._untold
        self.tell(untold)
        last, now = untold[-1], self._clock()
        self._first = self._first or (untold[0].step, now)
        done, seconds = last.step - self._first[0], now - self._first[1]
        finish = int(now + seconds / done * (last.num_steps - last.step)) if done else None
        self._is_stopped |= not self._jobs.move(
            self._job_id,
            ["running"],
            step=last.step,
            num_steps=last.num_steps,
            num_starts=0,
            estimated_finish=finish,
        )
        self._untold = []

    def tell(self, metrics: Sequence[StepMetrics]) -> None:
        """Tell of steps, also of those that have been told."""
        for start in range(0, len(metrics), BATCH):
            news = [_news(each) for each in metrics[start : start + BATCH]]
            self._events.tell(self._job_id, *news)

    def _expect(self, finish: int) -> None:
        self._looked = time.monotonic()
        try:
            is_running = self._jobs.move(self._job_id, ["running"], estimated_finish=finish)
            self._is_stopped |= not is_running
        except StateUnavailable as error:
            logger.warning("When it ends cannot be told now: %s", error)

    def _is_time(self) -> bool:
        return time.monotonic() - self._looked >= self._often

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            self._is_stopped |= self._jobs.find(self._job_id).status != "running"
        except StateUnavailable as error:
            self._on_outage(error)


def _news(metrics: StepMetrics) -> News:
    told = N_("Step {step}/{total}: training loss={loss:.2f}")
    if metrics.eval_loss is not None:
        told = N_("Step {step}/{total}: training loss={loss:.2f}, full validation loss={held:.2f}")
    data: dict[str, Any] = {
        "step": metrics.step,
        "total_steps": metrics.num_steps,
        "train_loss": metrics.loss,
        "learning_rate": metrics.learning_rate,
        "tokens_per_second": metrics.tokens_per_second,
        "memory_bytes": metrics.memory_bytes,
    }
    if metrics.eval_loss is not None:
        data |= {"valid_loss": metrics.eval_loss, "full_valid_loss": metrics.eval_loss}
    said = told.format(
        step=metrics.step, total=metrics.num_steps, loss=metrics.loss, held=metrics.eval_loss
    )
    return News(f"step-{metrics.step}", said, data)
