"""A job from a request for one: what it names is looked up, what it may is checked."""

import secrets
import time
from collections.abc import Callable
from typing import Any

from data.wording import N_
from service.accounts.caller import Caller, current_caller
from service.accounts.keys import DAY
from service.errors import FileNotFound, InvalidRequest, LimitReached, NotAllowed, OfField
from service.files.files import Files
from service.files.stored_file import Purpose, StoredFile
from service.jobs.desk import Desk
from service.jobs.events import Events, News
from service.jobs.job import FineTuningJob, NewJob, new_job_id
from service.jobs.jobs import Jobs

from .fit import Fit
from .names import AdapterNames
from .origins import Origin, Origins
from .request import AUTO, MAX_SEED, AskedPreferenceHyperparameters, JobRequest

PURPOSE: Purpose = "fine-tune"
METHODS = {"supervised": "sft", "dpo": "dpo", "kto": "kto"}  # as runs call them


class JobCreation:
    """Every method reads files and asks the database, and so belongs into a thread."""

    def __init__(
        self,
        jobs: Jobs,
        events: Events,
        files: Files,
        origins: Origins,
        names: AdapterNames,
        desk: Desk,
        fit: Fit,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._jobs = jobs
        self._events = events
        self._files = files
        self._origins = origins
        self._names = names
        self._desk = desk
        self._fit = fit
        self._wake = wake
        self._clock = clock

    def prepare(self, asked: JobRequest) -> NewJob:
        """Decide what a job would be, for a dry run, which trusts that its files were checked.

        Raises ServiceError and ServingError.
        """
        new = self._decide(asked)
        files = {"training_file": new.training_file, "validation_file": new.validation_file}
        for field, file_id in files.items():
            if file_id is not None:
                _check_is_processed(field, self._file(field, file_id))
        self._fit.check(new, is_training=False, is_dry=True)
        return new

    def add(self, asked: JobRequest) -> FineTuningJob:
        """Raises as `prepare` does, and LimitReached and NameTaken."""
        new = self._decide(asked)
        self._fit.check(new, is_training=self._is_training())
        caller = current_caller.get()
        self._check_tokens(caller)
        is_new = self._names.is_new(new.name)
        news = _first_news(new)
        if told := self._fit.warning(new):
            news.append(News("memory", told, level="warn"))
        job = self._jobs.add(new, most=caller.limits.max_jobs, claims=is_new, news=news)
        if is_new:
            self._names.give(job.name, job.key_id)
        self._wake()
        return job

    def _decide(self, asked: JobRequest) -> NewJob:
        caller = current_caller.get()
        if asked.promote and not caller.has("admin"):
            raise NotAllowed(
                "To promote what a job makes needs a key with the scope admin. Leave promote out: "
                "the new version can be asked by its number.",
                "promote",
            )
        origin = self._origins.find(asked.model)
        training = self._file("training_file", asked.training_file)
        if asked.validation_file is not None:
            self._file("validation_file", asked.validation_file)
        job_id = new_job_id()
        seed = secrets.randbelow(MAX_SEED + 1) if asked.seed is None else asked.seed
        return NewJob(
            id=job_id,
            key_id=caller.owner,
            place=self._desk.place,
            model=origin.model,
            name=self._names.choose(asked.suffix, origin.adapter, training.filename),
            suffix=asked.suffix,
            training_file=asked.training_file,
            validation_file=asked.validation_file,
            run=f"runs/{job_id}",
            options=self._options(asked, origin, seed),
            seed=seed,
            method={
                "type": asked.type,
                asked.type: {"hyperparameters": asked.numbers.model_dump()},
            },
            metadata=asked.metadata,
        )

    def _file(self, field: str, file_id: str) -> StoredFile:
        try:
            file = self._files.find_owned(file_id, current_caller.get())
        except FileNotFound as error:
            raise OfField(field, error) from error
        if file.purpose != PURPOSE:
            raise InvalidRequest(
                f"The file {file_id} has the purpose {file.purpose!r}. A job needs one that was "
                f"uploaded with the purpose {PURPOSE!r}.",
                field,
            )
        if file.place != self._desk.place:
            raise InvalidRequest(
                f"The content of {file_id} lies with another server. Upload it to this one, too.",
                field,
            )
        return file

    def _options(self, asked: JobRequest, origin: Origin, seed: int) -> dict[str, Any]:
        """A run's options, those that are set."""
        numbers: dict[str, Any] = {
            "epochs": asked.numbers.n_epochs,
            "batch_size": asked.numbers.batch_size,
            "learning_rate_multiplier": asked.numbers.learning_rate_multiplier,
        }
        if isinstance(asked.numbers, AskedPreferenceHyperparameters):
            numbers["beta"] = asked.numbers.beta
        options: dict[str, Any] = {k: value for k, value in numbers.items() if value != AUTO}
        options["method"] = METHODS[asked.type]
        if asked.rank is not None:
            options["rank"] = asked.rank
        if origin.adapter is not None:
            options["from_adapter"] = origin.model
        return {**options, "base": origin.base, "promote": asked.promote, "seed": seed}

    def _is_training(self) -> bool:
        return any(self._desk.is_held(job.id) for job in self._jobs.open(self._desk.place))

    def _check_tokens(self, caller: Caller) -> None:
        most = caller.limits.training_tokens_per_day
        if most is None:
            return
        trained = self._jobs.trained_tokens(caller.owner, self._clock() - DAY)
        if trained >= most:
            raise LimitReached(
                f"This key may train on {most} tokens a day, and its jobs that ended in the last "
                f"24 hours have trained on {trained}. Try again later."
            )


def _check_is_processed(field: str, file: StoredFile) -> None:
    """Raises InvalidRequest."""
    if file.status == "uploaded":
        raise InvalidRequest(
            f"The file {file.id} is still being checked. Ask for a dry run once its status is "
            "'processed'.",
            field,
        )
    if file.status == "error":
        raise InvalidRequest(f"Nothing can be trained on {file.id}: {file.status_details}", field)


def _first_news(new: NewJob) -> list[News]:
    told = N_("Validating training file: {training}")
    if new.validation_file is not None:
        told = N_("Validating training file: {training} and validation file: {validation}")
    files = told.format(training=new.training_file, validation=new.validation_file)
    return [
        News("created", N_("Created fine-tuning job: {id}").format(id=new.id)),
        News("validating", files),
    ]
