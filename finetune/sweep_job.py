"""A sweep from end to end: a job for each combination of values, and the best one finished."""

from collections.abc import Callable, Sequence
from pathlib import Path

from data.wording import _

from .errors import Interrupted
from .finish import Result
from .job import Job
from .rehearsal import Rehearsal
from .sweep import Point, parse_sweep, rehearse_sweep, run_sweep, sweep_folder
from .training.config import TrainConfig


class SweepJob:
    """Owns the runs of one sweep, which differ from the job that it is given in a few values."""

    def __init__(self, job: Job, assignments: Sequence[str]) -> None:
        """`assignments` are of the form `key=value,value`. Raises ConfigError."""
        self.points = parse_sweep(assignments)
        self._job = job

    def rehearse(self) -> list[Rehearsal]:
        """What each run would do, measured on a few steps of one. Raises as `Job.rehearse`."""
        job = self._job
        folder = sweep_folder(job.home / "runs", job.name, resume=False)
        return rehearse_sweep(
            job.config, self.points, folder, lambda config, like: self._run(config).rehearse(like)
        )

    def execute(
        self,
        *,
        resume: bool = False,
        on_begun: Callable[[Path], None] = lambda _folder: None,
        on_tried: Callable[[Sequence[Point]], None] = lambda _points: None,
    ) -> Result:
        """Train every combination, tell them, best first, and finish the best. `on_begun` is told
        the folder of all their runs.

        Raises as `Job.execute`.
        """
        job = self._job
        runs = job.home / "runs"
        folder = job.processes.from_first(lambda: sweep_folder(runs, job.name, resume=resume))
        on_begun(folder)
        named = job.config.model_copy(update={"name": job.name})
        try:
            tried = run_sweep(
                named,
                self.points,
                folder,
                lambda config: self._run(config).try_out(),
                job.observer.on_stage,
                is_first=job.processes.is_first,
            )
        except KeyboardInterrupt:
            if not folder.exists():
                raise
            told = _(
                "Stopped. The runs that are over are kept in {folder}. Go on with the same command "
                "and --resume."
            )
            raise Interrupted(told.format(folder=folder)) from None
        if job.processes.is_first:
            on_tried(tried)
        return self._run(tried[0].config).execute(resume=True)

    def _run(self, config: TrainConfig) -> Job:
        return Job(config, self._job.home, self._job.observer, self._job.processes)
