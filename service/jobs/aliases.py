"""What a fine-tuned model's name means: a job's result, or a checkpoint while the job goes on."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from finetune.adapters.card import BEST_STEP
from finetune.adapters.version import AdapterVersion
from finetune.served import STEP
from finetune.training.run import SERVED_FOLDER
from service.accounts.caller import current_caller
from service.errors import JobNotFound, ModelGone, StateUnavailable
from service.models import FineTunedModel
from serving.adapters.notation import FineTuned, Part
from serving.adapters.store import AdapterStore
from serving.errors import AdapterRefused, ModelNotFound

from .desk import place_of
from .job import ID_PREFIX, FineTuningJob
from .jobs import Jobs

logger = logging.getLogger(__name__)

MAX_KNOWN = 1000  # jobs that are remembered
UNFINISHED = "The job of that name has not made a model."
NO_CHECKPOINT = (
    "While a job goes on, its best and its newest checkpoint can be asked; once it has succeeded, "
    "its result is the best one."
)


class Aliases:
    """The models that the jobs of one home have made, of which `models` knows the names alone.

    Asks the database and reads files, so call from threads.
    """

    def __init__(self, jobs: Jobs, home: Path, store: AdapterStore) -> None:
        self._jobs = jobs
        self._home = home
        self._store = store
        self._succeeded: dict[str, FineTuningJob] = {}  # by short id; they never change

    def find(self, asked: FineTuned) -> FineTunedModel:
        """Raises ModelNotFound, AdapterRefused or StateUnavailable."""
        job = self._job(asked)
        if asked.step is None:
            return FineTunedModel(str(asked), self._entry(job, _result(job, asked), str(asked)))
        if folder := self._folders(job).get(asked.step):
            with suppress(FileNotFoundError):  # it has gone since
                return self._checkpoint(job, asked.step, folder)
        return FineTunedModel(str(asked), self._kept(job, asked))

    def version(self, asked: FineTuned) -> str:
        """The name@version that a job has made. Raises ModelNotFound or StateUnavailable."""
        job = self._job(asked)
        version = _result(job, asked)
        if asked.step is None:
            with suppress(AdapterRefused):  # what is damaged has the name, too
                self._entry(job, version, str(asked))
        return version

    def checkpoints(self) -> list[FineTunedModel]:
        """Those that can be asked now, of the jobs that the caller may see."""
        caller = current_caller.get()
        try:
            unfinished = self._jobs.open(place_of(self._home) or "")
        except StateUnavailable as error:  # which is no reason to list no other model
            logger.warning("Checkpoints are not listed: %s", error)
            return []
        return [
            found
            for job in unfinished
            if caller.owns(job.key_id) and caller.may_use(job.name)
            for _, found in self._checkpoints_of(job)
        ]

    def steps(self, job: FineTuningJob) -> dict[int, AdapterVersion]:
        """What can be asked of one job, by steps: its checkpoints while it goes on, and what it has
        made, by the step that this was made of. Nothing of another home's job."""
        if job.place != place_of(self._home):
            return {}
        found = {step: model.entry for step, model in self._checkpoints_of(job)}
        if job.fine_tuned_model is not None:
            with suppress(ModelNotFound, AdapterRefused):  # it has been removed since
                entry = self._entry(job, job.fine_tuned_model, job.alias)
                if (best := _best_step(entry)) is not None:
                    found[best] = entry
        return found

    def _job(self, asked: FineTuned) -> FineTuningJob:
        """The job whose id the name ends in, if the rest of the name is right, too."""
        job = self._succeeded.get(asked.job) or self._look_up(asked)
        if job.alias != asked.result:
            raise ModelNotFound(str(asked), [])
        return job

    def _look_up(self, asked: FineTuned) -> FineTuningJob:
        try:
            job = self._jobs.find(ID_PREFIX + asked.job)
        except JobNotFound:
            raise ModelNotFound(str(asked), []) from None
        if job.place != place_of(self._home):
            raise ModelNotFound(str(asked), [])
        if job.status == "succeeded":
            if len(self._succeeded) >= MAX_KNOWN:
                self._succeeded.clear()
            self._succeeded[asked.job] = job
        return job

    def _entry(self, job: FineTuningJob, version: str, asked: str) -> AdapterVersion:
        """Raises ModelGone, also where another has been given its number since, and
        AdapterRefused."""
        gone = ModelGone(asked, f"It was {version}, which is not here any more.")
        try:
            entry = self._store.entry(_part(version))
        except ModelNotFound:
            raise gone from None
        if job.finished is not None and entry.created > job.finished:
            raise gone
        return entry

    def _kept(self, job: FineTuningJob, asked: FineTuned) -> AdapterVersion:
        """What a job has made, where it was made of that checkpoint."""
        if job.version is not None and job.status in ("running", "succeeded"):
            entry = self._entry(job, job.version, str(asked))
            if _best_step(entry) == asked.step:
                return entry
        raise ModelGone(str(asked), NO_CHECKPOINT)

    def _checkpoints_of(self, job: FineTuningJob) -> Iterator[tuple[int, FineTunedModel]]:
        for step, folder in sorted(self._folders(job).items()):
            try:
                yield step, self._checkpoint(job, step, folder)
            except (FileNotFoundError, AdapterRefused) as error:
                logger.debug("A checkpoint is not listed: %s", error)

    def _folders(self, job: FineTuningJob) -> dict[int, Path]:
        """The checkpoints of a job that goes on, by their steps."""
        served = self._home / job.run / SERVED_FOLDER
        if job.has_ended or not served.is_relative_to(self._store.runs):
            return {}
        try:
            numbered = {path.name.removeprefix(STEP): path for path in served.glob(f"{STEP}*")}
        except OSError:  # they are being removed
            return {}
        return {int(number): path for number, path in numbered.items() if number.isdecimal()}

    def _checkpoint(self, job: FineTuningJob, step: int, folder: Path) -> FineTunedModel:
        """Raises AdapterRefused, or FileNotFoundError where it is not there any more."""
        try:
            entry = self._store.read(job.name, f"{job.short_id}:ckpt-step-{step}", folder)
        except AdapterRefused:
            if folder.is_dir():
                raise
            raise FileNotFoundError(folder) from None
        return FineTunedModel(job.checkpoint(step), entry, job.id)


def _part(version: str) -> Part:
    name, _, number = version.partition("@")
    return Part(name, number)


def _best_step(entry: AdapterVersion) -> int | None:
    best = None if entry.card is None else entry.card.metrics.get(BEST_STEP)
    return None if best is None else int(best)


def _result(job: FineTuningJob, asked: FineTuned) -> str:
    if job.fine_tuned_model is None:
        raise ModelGone(str(asked), UNFINISHED)
    return job.fine_tuned_model
