"""A job's events as they come, as server-sent events, until the job has ended."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager

from starlette.concurrency import run_in_threadpool

from service.errors import LimitReached
from service.http.gate import Gate
from service.jobs.events import Event, Events, number_of
from service.jobs.jobs import Jobs

from .answers import event_answer

INTERVAL = 0.3  # [seconds] from one look to the next
MOST_AT_ONCE = 10  # streams of a key
OPENED = b""  # is sent to nobody
DONE = b"[DONE]"


class EventStreams:
    def __init__(self, jobs: Jobs, events: Events, gate: Gate) -> None:
        self._jobs = jobs
        self._events = events
        self._gate = gate
        self._num_open: Counter[str] = Counter()  # by whose they are

    async def open(self, owner: str, job_id: str, after: str | None) -> AsyncGenerator[bytes]:
        """Oldest first, from the beginning or from the event `after` on. Ends early where the
        server stops. Raises EventNotFound, and LimitReached where its owner has many."""
        number = 0 if after is None else number_of(job_id, after)
        stream = self._held(owner, job_id, number)
        await anext(stream)  # which is OPENED: so that to close it gives its place back
        return stream

    async def _held(self, owner: str, job_id: str, number: int) -> AsyncGenerator[bytes]:
        with self._place(owner):
            yield OPENED
            async with aclosing(self._follow(job_id, number)) as events:
                async for event in events:
                    yield event

    @contextmanager
    def _place(self, owner: str) -> Generator[None]:
        if self._num_open[owner] >= MOST_AT_ONCE:
            raise LimitReached(
                f"A key may follow {MOST_AT_ONCE} streams of events at once. Close one, or read "
                "the events page by page, without stream."
            )
        self._num_open[owner] += 1
        try:
            yield
        finally:
            self._num_open[owner] -= 1
            if not self._num_open[owner]:
                del self._num_open[owner]

    async def _follow(self, job_id: str, number: int) -> AsyncGenerator[bytes]:
        had_ended = False
        while self._gate.state != "stopping":
            # In this order, and once more at the end: nothing that is told then is missed.
            has_ended = (await run_in_threadpool(self._jobs.find, job_id)).has_ended
            while page := await run_in_threadpool(self._events.since, job_id, number):
                for event in page:
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
