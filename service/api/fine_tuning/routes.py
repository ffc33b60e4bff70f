"""/v1/fine_tuning/jobs."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.accounts.caller import current_caller
from service.api.languages import SPOKEN
from service.errors import NotAllowed
from service.http.connection import EventStream, answer_whole
from service.http.endpoints import (
    CANCEL_JOB,
    CREATE_JOB,
    FIND_JOB,
    FINISH_JOB,
    LIST_CHECKPOINTS,
    LIST_JOB_EVENTS,
    LIST_JOBS,
    PAUSE_JOB,
    RESUME_JOB,
)
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute
from service.jobs.planning import Plan

from .answers import job_answer, plan_answer
from .fine_tuning import FineTuning
from .protocol import CheckpointList, EventList, JobAnswer, JobList, PlanAnswer
from .request import JobRequest

NO_JOBS = (
    "This server trains nothing: that is turned off (the setting jobs), or it has no database, or "
    "may not write to its home."
)
Limit = Annotated[int, Query(ge=1, le=100)]
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
METADATA: dict[str, Any] = {
    "parameters": [
        {
            "name": "metadata",
            "in": "query",
            "description": "metadata[key]=value, or metadata=null for jobs without any.",
            "style": "deepObject",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }
    ]
}


def fine_tuning_routes(found: FineTuning | None) -> APIRouter:
    """Where nothing is found to work with, every one says so."""
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute, dependencies=SPOKEN)

    def work() -> FineTuning:
        if found is None:
            raise NotAllowed(NO_JOBS)
        return found

    @router.post(CREATE_JOB.path, response_model=JobAnswer | PlanAnswer)
    async def create(asked: JobRequest, request: Request) -> JobAnswer | PlanAnswer | Response:
        if not asked.dry_run:
            return job_answer(await run_in_threadpool(work().creation.add, asked))
        new = await run_in_threadpool(work().creation.prepare, asked)
        planned = await answer_whole(request, work().planner.plan(new))
        return plan_answer(new, planned) if isinstance(planned, Plan) else planned

    @router.get(LIST_JOBS.path, openapi_extra=METADATA)
    def list_jobs(request: Request, after: str | None = None, limit: Limit = 20) -> JobList:
        return work().own.page(request.url.query, after, limit)

    @router.get(FIND_JOB.path)
    def find(job_id: str) -> JobAnswer:
        return job_answer(work().own.find(job_id))

    @router.post(CANCEL_JOB.path)
    def cancel(job_id: str) -> JobAnswer:
        return work().own.act(work().actions.cancel, job_id)

    @router.post(PAUSE_JOB.path)
    def pause(job_id: str) -> JobAnswer:
        return work().own.act(work().actions.pause, job_id)

    @router.post(RESUME_JOB.path)
    def resume(job_id: str) -> JobAnswer:
        return work().own.act(work().actions.resume, job_id)

    @router.post(FINISH_JOB.path)
    def finish(job_id: str) -> JobAnswer:
        return work().own.act(work().actions.finish, job_id)

    @router.get(LIST_JOB_EVENTS.path, response_model=EventList, responses=STREAM)
    async def list_events(
        job_id: str,
        after: str | None = None,
        limit: Limit = 20,
        stream: bool = False,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventList | Response:
        if not stream:
            return await run_in_threadpool(work().own.events, job_id, after, limit)
        job = await run_in_threadpool(work().own.find, job_id)
        owner = current_caller.get().owner
        opened = await work().streams.open(owner, job.id, last_event_id or after)
        return EventStream(None, opened)

    @router.get(LIST_CHECKPOINTS.path)
    def list_checkpoints(
        job_id: str, after: str | None = None, limit: Limit = 10
    ) -> CheckpointList:
        return work().checkpoints.page(work().own.find(job_id), after, limit)

    _ = (create, list_jobs, find, cancel, pause, resume, finish, list_events, list_checkpoints)
    return router
