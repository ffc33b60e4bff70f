"""The jobs that the caller may see: looked at, and told what to do."""

from collections.abc import Callable
from urllib.parse import parse_qsl

from service.accounts.caller import current_caller
from service.api.metadata_query import NO_METADATA, wanted_metadata
from service.errors import JobNotFound, OfField
from service.jobs.events import Events
from service.jobs.job import FineTuningJob
from service.jobs.jobs import Jobs

from .answers import event_answer, job_answer
from .protocol import EventList, JobAnswer, JobList

Act = Callable[[str], FineTuningJob]


class OwnJobs:
    """What is another key's does not exist. Every method asks the database, so call from threads.

    Raises JobNotFound for each job that is not the caller's.
    """

    def __init__(self, jobs: Jobs, events: Events) -> None:
        self._jobs = jobs
        self._events = events

    def find(self, job_id: str) -> FineTuningJob:
        job = self._jobs.find(job_id)
        if not current_caller.get().owns(job.key_id):
            raise JobNotFound(job_id)
        return job

    def act(self, act: Act, job_id: str) -> JobAnswer:
        """Raises JobRefused, too."""
        return job_answer(act(self.find(job_id).id))

    def page(self, query: str, after: str | None, limit: int) -> JobList:
        """Newest first. Raises OfField for a job `after` that is not there, and InvalidRequest for
        a filter that cannot be read."""
        caller = current_caller.get()
        if after is not None:
            self._check_after(after)
        pairs = parse_qsl(query, keep_blank_values=True)
        found = self._jobs.newest(
            key_id=None if caller.has("admin") else caller.owner,
            after=after,
            limit=limit + 1,
            metadata=wanted_metadata(pairs),
            without_metadata=NO_METADATA in pairs,
        )
        return JobList(data=[job_answer(job) for job in found[:limit]], has_more=len(found) > limit)

    def events(self, job_id: str, after: str | None, limit: int) -> EventList:
        """Newest first. Raises EventNotFound."""
        found = self._events.newest(self.find(job_id).id, after, limit + 1)
        answers = [event_answer(event) for event in found[:limit]]
        return EventList(data=answers, has_more=len(found) > limit)

    def _check_after(self, after: str) -> None:
        try:
            self.find(after)
        except JobNotFound as error:
            raise OfField("after", error) from error
