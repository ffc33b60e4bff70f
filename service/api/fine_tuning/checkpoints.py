"""A job's checkpoints that can be asked as models."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.adapters.version import AdapterVersion
from finetune.errors import AdapterInvalid
from service.errors import MAX_SHOWN, InvalidRequest
from service.jobs.events import Events
from service.jobs.job import FineTuningJob

from .protocol import CheckpointAnswer, CheckpointList, CheckpointMetrics

ID_PREFIX = "ftckpt_"
SERVED = "served"  # below a run's folder: its checkpoints, as adapters
STEP = "step-"
BEST_STEP = "best_step"  # in the card of what a job has made


@dataclass(frozen=True, slots=True)
class Checkpoint:
    step: int
    created: int  # [Unix seconds]


class Checkpoints:
    """Reads files and asks the database, and so belongs into a thread."""

    def __init__(self, events: Events, home: Path) -> None:
        self._events = events
        self._home = home

    def page(self, job: FineTuningJob, after: str | None, limit: int) -> CheckpointList:
        """Newest first. Raises InvalidRequest where there is none of the id `after`."""
        metrics = self._metrics(job)
        there = sorted(self._find(job), key=lambda each: each.step, reverse=True)
        answers = [_answer(job, each, metrics.get(each.step, {})) for each in there]
        rest = _after(answers, after)
        shown = rest[:limit]
        return CheckpointList(
            data=list(shown),
            first_id=shown[0].id if shown else None,
            last_id=shown[-1].id if shown else None,
            has_more=len(rest) > limit,
        )

    def _find(self, job: FineTuningJob) -> list[Checkpoint]:
        """Those that lie there while the job goes on; then the one that was kept."""
        if job.has_ended:
            return self._kept(job)
        folders = (self._home / job.run / SERVED).glob(f"{STEP}*")
        found = [_read(folder, folder.name.removeprefix(STEP)) for folder in folders]
        return [each for each in found if each is not None]

    def _kept(self, job: FineTuningJob) -> list[Checkpoint]:
        name, _, number = (job.fine_tuned_model or "").partition("@")
        if not number:
            return []
        version = AdapterVersion(name, number, self._home / "adapters" / name / number)
        with suppress(OSError, AdapterInvalid):  # it has been removed since
            step = None if version.card is None else version.card.metrics.get(BEST_STEP)
            return [] if step is None else [Checkpoint(int(step), version.created)]
        return []

    def _metrics(self, job: FineTuningJob) -> dict[int, dict[str, Any]]:
        """What was measured at each step."""
        told = (event.data for event in self._events.since(job.id, 0) if event.data is not None)
        return {data["step"]: data for data in told if "step" in data}


def _read(folder: Path, number: str) -> Checkpoint | None:
    """None where it is none, or not there any more."""
    try:
        return Checkpoint(int(number), int(folder.stat().st_mtime)) if number.isdecimal() else None
    except OSError:
        return None


def _answer(job: FineTuningJob, found: Checkpoint, measured: dict[str, Any]) -> CheckpointAnswer:
    return CheckpointAnswer(
        id=f"{ID_PREFIX}{job.short_id}-{found.step}",
        created_at=found.created,
        fine_tuned_model_checkpoint=f"{job.alias}:ckpt-step-{found.step}",
        fine_tuning_job_id=job.id,
        metrics=CheckpointMetrics.model_validate({**measured, "step": found.step}),
        step_number=found.step,
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
