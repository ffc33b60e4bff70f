"""A job's events as they come, as server-sent events, until the job has ended."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.concurrency import run_in_threadpool

from service.http.gate import Gate
from service.jobs.events import Event, Events, number_of
from service.jobs.jobs import Jobs

from .answers import event_answer

INTERVAL = 0.3  # [seconds] from one look to the next
DONE = b"[DONE]"


class EventStreams:
    def __init__(self, jobs: Jobs, events: Events, gate: Gate) -> None:
        self._jobs = jobs
        self._events = events
        self._gate = gate

    def open(self, job_id: str, after: str | None) -> AsyncGenerator[bytes]:
        """Oldest first, from the beginning or from the event `after` on. Ends early where the
        server stops. Raises EventNotFound."""
        return self._follow(job_id, 0 if after is None else number_of(job_id, after))

    async def _follow(self, job_id: str, number: int) -> AsyncGenerator[bytes]:
        had_ended = False
        while self._gate.state != "stopping":
            # In this order, and once more at the end: nothing that is told then is missed.
            has_ended = (await run_in_threadpool(self._jobs.find, job_id)).has_ended
            for event in await run_in_threadpool(self._events.since, job_id, number):
                number = event.number
                yield _framed(event)
            if had_ended:
                yield DONE
                return
            had_ended = has_ended
            await asyncio.sleep(INTERVAL)


def _framed(event: Event) -> bytes:
    """Its data, and a line with its id, which clients that come again send as Last-Event-ID."""
    return event_answer(event).model_dump_json().encode() + b"\nid: " + event.id.encode()
