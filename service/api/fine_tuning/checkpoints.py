"""A job's checkpoints that can be asked as models."""

from collections.abc import Sequence
from typing import Any

from finetune.adapters.version import AdapterVersion
from service.errors import MAX_SHOWN, InvalidRequest
from service.jobs.aliases import Aliases
from service.jobs.job import FineTuningJob
from service.jobs.measurements import Measurements

from .protocol import CheckpointAnswer, CheckpointList, CheckpointMetrics

ID_PREFIX = "ftckpt_"


class Checkpoints:
    """Reads files and asks the database, and so belongs into a thread."""

    def __init__(self, measurements: Measurements, aliases: Aliases) -> None:
        self._measurements = measurements
        self._aliases = aliases

    def page(self, job: FineTuningJob, after: str | None, limit: int) -> CheckpointList:
        """Newest first. Raises InvalidRequest where there is none of the id `after`."""
        there = sorted(self._aliases.steps(job).items(), reverse=True)
        metrics = self._measurements.at(job.id, (step for step, _ in there))
        answers = [_answer(job, step, entry, metrics.get(step, {})) for step, entry in there]
        return CheckpointList.of(_after(answers, after), limit)


def _answer(
    job: FineTuningJob, step: int, entry: AdapterVersion, measured: dict[str, Any]
) -> CheckpointAnswer:
    return CheckpointAnswer(
        id=f"{ID_PREFIX}{job.short_id}-{step}",
        created_at=entry.created,
        fine_tuned_model_checkpoint=job.checkpoint(step),
        fine_tuning_job_id=job.id,
        metrics=CheckpointMetrics.model_validate({**measured, "step": step}),
        step_number=step,
    )


def _after(answers: Sequence[CheckpointAnswer], after: str | None) -> Sequence[CheckpointAnswer]:
    if after is None:
        return answers
    ids = [answer.id for answer in answers]
    if after not in ids:
        raise InvalidRequest(
            f"There is no checkpoint {after[:MAX_SHOWN]!r} of this job, or no longer.", "after"
        )
    return answers[ids.index(after) + 1 :]
