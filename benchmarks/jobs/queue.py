"""Jobs in a queue, as clients of the API see them: made, followed, and asked in the end."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.process import ProgramFailed
from benchmarks.soaking.asking import ask_streamed
from benchmarks.soaking.question import Question
from service.http.endpoints import CREATE_JOB, LIST_JOBS, UPLOAD_FILE

LOOK = 0.2  # [seconds] from one look at the jobs to the next
PATIENCE = 3600.0  # [seconds] for one job to end
ENDED = ("succeeded", "failed", "cancelled")
ASKED = "你好"


@dataclass(slots=True)
class JobSeen:
    """Times are of this machine's clock, when it was seen."""

    status: str = "queued"
    started: float | None = None
    ended: float | None = None
    first_token: float | None = None  # [seconds] from when it was seen to have succeeded
    error: str | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.started is None or self.ended is None else self.ended - self.started


@dataclass(slots=True)
class Queue:
    """The jobs of a few keys, each with a client of its own."""

    clients: Sequence[httpx.AsyncClient]
    model: str
    jobs: dict[str, JobSeen] = field(default_factory=dict[str, JobSeen])

    async def fill(self, rows: bytes, count: int) -> None:
        """Each key in turn asks for a job of one epoch. Raises ProgramFailed."""
        files = [await self._upload(client, rows) for client in self.clients]
        for number in range(count):
            turn = number % len(self.clients)
            wish = {
                "model": self.model,
                "training_file": files[turn],
                "suffix": f"adapter-{number}",
                "seed": number,
                "hyperparameters": {"n_epochs": 1},
            }
            client = self.clients[turn]
            made = _checked(await client.post(CREATE_JOB.path, json=wish))
            self.jobs[made["id"]] = JobSeen()

    async def follow(self) -> None:
        """Look at the jobs until all have ended. Raises ProgramFailed."""
        changed = time.monotonic()
        while any(job.ended is None for job in self.jobs.values()):
            for client in self.clients:
                listed = _checked(await client.get(LIST_JOBS.path, params={"limit": 100}))
                for told in listed["data"]:
                    if await self._see(client, told):
                        changed = time.monotonic()
            if time.monotonic() - changed > PATIENCE:
                raise ProgramFailed(f"No job began or ended for {PATIENCE:.0f} s")
            await asyncio.sleep(LOOK)

    async def _see(self, client: httpx.AsyncClient, told: dict[str, Any]) -> bool:
        """Whether a job's status is another one than before."""
        job, now = self.jobs[told["id"]], time.monotonic()
        if told["status"] == job.status:
            return False
        job.status = told["status"]
        if job.status == "running":
            job.started = now
        if job.status in ENDED:
            job.ended = now
            job.error = told["error"] and told["error"]["message"]
        if job.status == "succeeded":
            job.first_token = await _first_token(client, told["fine_tuned_model"])
        return True

    async def _upload(self, client: httpx.AsyncClient, rows: bytes) -> str:
        sent = await client.post(
            UPLOAD_FILE.path, files={"file": ("rows.txt", rows)}, data={"purpose": "fine-tune"}
        )
        return _checked(sent)["id"]


async def _first_token(client: httpx.AsyncClient, model: str) -> float:
    """[seconds] from asking to the first piece of text. Raises ProgramFailed."""
    asked = time.perf_counter()
    reply = await ask_streamed(client, Question(model, ASKED, 8, frozenset()))
    if not reply.times:
        raise ProgramFailed(f"{model} does not answer: {reply.shown}")
    return reply.times[0] - asked


def _checked(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise ProgramFailed(f"{response.url} answered {response.status_code}: {response.text}")
    return response.json()
