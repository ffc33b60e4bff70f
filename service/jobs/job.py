"""What is known of one fine-tuning job."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.adapters.notation import FineTuned

Status = Literal[
    "validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"
]
Source = Literal["queue", "terminal"]  # a terminal's run belongs to whoever sits there
UNFINISHED: tuple[Status, ...] = ("validating_files", "queued", "running", "paused")
ENDED: tuple[Status, ...] = ("succeeded", "failed", "cancelled")
WAITING: tuple[Status, ...] = ("validating_files", "queued")
ID_PREFIX = "ftjob-"
ID_BYTES = 6  # of randomness


def new_job_id() -> str:
    return ID_PREFIX + secrets.token_hex(ID_BYTES)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job has failed."""

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is decided when a job is made, and never changes."""

    id: str
    key_id: str  # whose it is; "": nobody's key
    place: str  # the home that it runs in
    model: str  # as asked for
    name: str  # of the adapter
    training_file: str  # a file's id; a terminal's: its path
    run: str  # its folder below the home, or an absolute path
    options: dict[str, Any]  # of the run: a TrainConfig's
    seed: int
    source: Source = "queue"
    suffix: str | None = None
    validation_file: str | None = None
    method: dict[str, Any] = field(default_factory=dict[str, Any])  # as asked for
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningJob(NewJob):
    """A job as it stands in the database. All times are Unix seconds."""

    number: int  # in the order in which they came
    status: Status
    created: int
    hyperparameters: dict[str, Any] | None = None  # as resolved; None: not yet
    started: int | None = None
    finished: int | None = None
    estimated_finish: int | None = None
    step: int = 0  # done so far
    num_steps: int | None = None
    num_starts: int = 0  # since it last did a step
    trained_tokens: int | None = None
    version: str | None = None  # name@number, once it is made
    fine_tuned_model: str | None = None  # the same, once it has answered
    result_files: tuple[str, ...] = ()
    error: JobError | None = None
    has_leftovers: bool = False  # what it made is to be removed

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_waiting(self) -> bool:
        return self.status in WAITING

    @property
    def alias(self) -> str:
        """What its result can be asked by, too: a name in OpenAI's form."""
        return str(FineTuned(self.model, self.name, self.short_id))

    def checkpoint(self, step: int) -> str:
        """What its checkpoint after so many steps can be asked by."""
        return str(FineTuned(self.model, self.name, self.short_id, step))

    @property
    def short_id(self) -> str:
        return self.id.removeprefix(ID_PREFIX)
