"""A server's look at its home's jobs, twice a second: starts them, and tries out what they made."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from fastapi.concurrency import run_in_threadpool

from data.errors import TemplateError
from data.wording import N_
from finetune.defaults import DEFAULT_BASE
from service.errors import StateUnavailable
from serving.errors import EngineBusy, EngineFailed, ServingError

from .counting import Counting
from .desk import Desk
from .ending import succeed
from .job import FineTuningJob, JobError
from .jobs import Jobs
from .stepping_aside import SteppingAside
from .supervisor import Look, Supervisor
from .verification import Verification

logger = logging.getLogger(__name__)

LOOK = 0.5  # [seconds] from one look to the next
PATIENCE = 60.0  # [seconds] for a version's first token; a busy engine is asked again
UNEXPECTED = "The version cannot be tried out, for a fault of the program; the log says more."


class JobWatch:
    """Owns the task that looks; `wake` lets it look at once."""

    def __init__(
        self,
        supervisor: Supervisor,
        verification: Verification,
        jobs: Jobs,
        desk: Desk,
        base: str,
        counting: Counting,
        aside: SteppingAside | None = None,
    ) -> None:
        """Answers nobody while a job is trained, where there is `aside`; `base` is the option that
        jobs on what is served here have."""
        self._supervisor = supervisor
        self._verification = verification
        self._jobs = jobs
        self._desk = desk
        self._base = base
        self._counting = counting
        self._aside = aside
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._is_stopped = False
        self._problem = ""

    def wake(self) -> None:
        """Look at once: something has changed. Any thread may say so."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Look for as long as the block lasts. Jobs that run then go on running."""
        self._loop = asyncio.get_running_loop()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._is_stopped = True
            self.wake()
            await task

    async def _run(self) -> None:
        while not self._is_stopped:
            self._woken.clear()
            try:
                await self._look()
            except Exception:  # the task's border: the next look comes all the same
                logger.exception("The jobs cannot be looked at")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK)

    async def _look(self) -> None:
        try:
            found = await run_in_threadpool(self._supervisor.look)
            await run_in_threadpool(self._counting.look, found.jobs)
            self._problem = ""
        except StateUnavailable as error:
            if str(error) != self._problem:  # once, not twice a second
                logger.warning("The jobs cannot be looked at: %s", error)
            self._problem = str(error)
            return
        if self._aside is not None:
            await self._make_room(self._aside, found)
            if found.made and not found.num_held:
                found = replace(found, waiting=())  # first it answers, then the next is trained
        await run_in_threadpool(self._supervisor.begin, found)
        if self._aside is None or not found.num_held:
            await self._try_out_all(found.made)

    async def _make_room(self, aside: SteppingAside, found: Look) -> None:
        begins = not found.made and await run_in_threadpool(self._supervisor.next_ones, found)
        if found.num_held or begins:
            await aside.leave()
        else:
            await aside.come_back()

    async def _try_out_all(self, made: Sequence[FineTuningJob]) -> None:
        for job in made:
            if not self._is_stopped and self._is_ours(job):
                await self._try_out(job)

    def _is_ours(self, job: FineTuningJob) -> bool:
        """Whether it was trained on the base that is served here; another server tries out the
        rest."""
        return job.options.get("base", DEFAULT_BASE) == self._base

    async def _try_out(self, job: FineTuningJob) -> None:
        version = job.version or ""
        try:
            async with asyncio.timeout(PATIENCE):
                seconds = await self._verification.try_out(version)
        except (EngineBusy, EngineFailed, TimeoutError):  # the next look may find it better
            return
        except (ServingError, TemplateError) as error:
            said = N_("{version} was trained and does not load: {error}")
            said = said.format(version=version, error=error)
            await run_in_threadpool(self._fail, job, JobError("model_not_loaded", said))
            return
        except Exception:  # of one job, which keeps no other from being tried
            logger.exception("%s cannot be tried out", version)
            await run_in_threadpool(self._fail, job, JobError("internal_error", UNEXPECTED))
            return
        await run_in_threadpool(self._succeed, job, version, seconds)

    def _succeed(self, job: FineTuningJob, version: str, seconds: float) -> None:
        told = N_(
            "New fine-tuned model created: {alias} ({version}); its first token came after "
            "{seconds:.2f} s"
        ).format(alias=job.alias, version=version, seconds=seconds)
        if succeed(job, version, told, self._jobs, self._desk):
            logger.info("%s has made %s", job.id, version)

    def _fail(self, job: FineTuningJob, error: JobError) -> None:
        if self._jobs.fail(job.id, ["running"], error):
            logger.warning("%s has failed: %s", job.id, error.message)
