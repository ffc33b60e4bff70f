"""One job's run: what `lora-chat finetune` does, with the job's files and settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.wording import _
from finetune.adapters.version import AdapterVersion
from finetune.job import Job
from finetune.prepared import Prepared
from finetune.training.checkpoint import count_tokens
from finetune.training.config import TrainConfig, load_config
from finetune.training.observer import Silent
from finetune.training.run import read_metrics, settle
from service.files.files import Files
from service.files.stored_file import ID_PREFIX
from service.jobs.events import Events
from service.jobs.job import FineTuningJob
from service.jobs.jobs import Jobs

from .recorder import Recorder
from .results import FILE_NAME, write_results

SERVED = {"serve_checkpoints": True}


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a job."""

    version: AdapterVersion
    trained_tokens: int
    results: str  # the file's id


class Training:
    """Trains where it was stopped, or finds what was made already."""

    def __init__(
        self, job: FineTuningJob, home: Path, jobs: Jobs, events: Events, files: Files
    ) -> None:
        self._job = job
        self._home = home
        self._run = home / job.run
        self._jobs = jobs
        self._files = files
        self._recorder = Recorder(job.id, jobs, events, Silent())

    def execute(self) -> Made:
        """Raises DataError or FinetuneError; Interrupted where the job shall not run any more."""
        self._recorder.tell(read_metrics(self._run))
        version = settle(self._run, self._home / "adapters") or self._train()
        self._recorder.tell_rest()
        results = self._files.keep(
            self._job.key_id,
            FILE_NAME,
            "fine-tune-results",
            write_results(read_metrics(self._run)),
            made_for=self._job.id,
        )
        return Made(version, count_tokens(self._run), results.id)

    def _train(self) -> AdapterVersion:
        job = Job(self._config(), self._home, self._recorder)
        resume = job.take_up()
        prepared = job.prepare()
        self._check_examples(prepared)
        self._jobs.move(
            self._job.id,
            ["running"],
            hyperparameters=resolved(prepared),
            num_steps=prepared.num_steps,
        )
        return job.execute(resume=resume, prepared=prepared).version

    def _check_examples(self, prepared: Prepared) -> None:
        """Raises DataError where preferences were sent to be trained on as examples."""
        is_supervised = self._job.method.get("type") == "supervised"
        if is_supervised and any(each.rejected for each in prepared.dataset.judged):
            told = _(
                "The training file holds preferences, and the method is supervised: ask for the "
                "method dpo, or send the preferred answers as messages"
            )
            raise DataError(told)

    def _config(self) -> TrainConfig:
        job = self._job
        options: dict[str, Any] = {
            **job.options,
            "promote": False,  # before it has answered; then, where that was asked for
            "data": self._path(job.training_file),
            "validation": job.validation_file and self._path(job.validation_file),
            "name": job.name,
            "seed": job.seed,
            "output_dir": self._run,
            **SERVED,
        }
        return load_config(None, options)

    def _path(self, file_id: str) -> Path:
        """Where the content lies; a terminal's job names its path."""
        if not file_id.startswith(ID_PREFIX):
            return Path(file_id)
        return self._files.path(self._files.find(file_id))


def resolved(prepared: Prepared) -> dict[str, Any]:
    """The hyperparameters as OpenAI names them, in numbers."""
    plan = prepared.plan
    beta = {"beta": prepared.config.beta} if prepared.preferences else {}
    return {
        "n_epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "learning_rate_multiplier": prepared.config.learning_rate_multiplier,
        **beta,
    }
