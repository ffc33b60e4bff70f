"""What a run writes down while it goes: metrics.jsonl, TensorBoard events and train.log."""

import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from data.wording import _
from finetune.errors import OutOfRoom

from .observer import Observer, StepMetrics
from .run import Run

course = logging.getLogger(f"{__name__}.course")  # to the file alone: a person sees a bar

LOG_FILE = "train.log"
EVENTS_FOLDER = "events"
TIME = "%Y-%m-%d %H:%M:%S%z"
LOGGED_EVERY = 10  # [steps]
QUEUE = 1 << 20  # [events] a writer that a full disk has ended must not make training wait
SCALARS = (
    "loss",
    "eval_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "trained_tokens_per_second",
    "memory_bytes",
)


class Journal:
    """An observer that also writes into the run's folder."""

    def __init__(self, observer: Observer, run: Run, done_steps: int = 0) -> None:
        """Begin a run's journal, or with `done_steps` go on there; what was written of later ones
        is void."""
        from tensorboardX import SummaryWriter

        self._observer = observer
        self._run = run
        self._events: Any = SummaryWriter(
            str(run.folder / EVENTS_FOLDER), purge_step=done_steps + 1, max_queue=QUEUE
        )

    def on_stage(self, text: str) -> None:
        course.info(text)
        self._observer.on_stage(text)

    def on_step(self, metrics: StepMetrics) -> None:
        """Raises OutOfRoom where the disk is full."""
        try:
            self._write(metrics)
        except OSError as error:
            told = _(
                "The course of the run cannot be written: {error}. The last checkpoints are kept "
                "in {folder}. Make room and go on with the same command and --resume."
            ).format(error=error, folder=self._run.folder)
            raise OutOfRoom(told, error) from error
        self._observer.on_step(metrics)

    def _write(self, metrics: StepMetrics) -> None:
        self._run.log(metrics)
        folder = "" if metrics.stage == "examples" else f"{metrics.stage}/"
        for name in SCALARS:
            if (value := getattr(metrics, name)) is not None:
                self._events.add_scalar(f"{folder}{name}", value, metrics.step)
        if metrics.eval_loss is not None or metrics.step % LOGGED_EVERY == 0:
            self._events.flush()
            course.info("%s", metrics)

    def on_work(self, done: float, left: float) -> None:
        self._observer.on_work(done, left)

    def should_stop(self) -> bool:
        return self._observer.should_stop()

    def close(self) -> None:
        with suppress(OSError):  # a full disk; metrics.jsonl has said so
            self._events.close()


@contextmanager
def log_file(run: Run) -> Generator[None]:
    """Whatever `finetune` logs meanwhile, with its time; the course of the run, and its end."""
    handler = logging.FileHandler(run.folder / LOG_FILE, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s", TIME))
    loggers = (logging.getLogger("finetune"), course)
    course.propagate = False
    course.setLevel(logging.INFO)
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    except BaseException as error:
        course.error("Ended by %s: %s", type(error).__name__, error)
        raise
    finally:
        for each in loggers:
            each.removeHandler(handler)
        handler.close()
