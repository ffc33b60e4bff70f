"""A job's events are read page by page, and followed until it ends."""

import asyncio
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from openai import NotFoundError, OpenAI

from service.api.fine_tuning.event_stream import MOST_AT_ONCE, EventStreams
from service.errors import LimitReached
from service.jobs.events import News
from service.jobs.job import JobError
from service.jobs.work.worker import UNEXPECTED

STEP = {"step": 1, "total_steps": 2, "train_loss": 2.5}


@pytest.fixture
def job_id(service: Any, openai: OpenAI) -> str:
    file_id = service.add_file()
    return openai.fine_tuning.jobs.create(model="base", training_file=file_id).id


def parsed(lines: Iterator[str]) -> Generator[dict[str, Any]]:
    """Each event with its data, and the id of its line."""
    event: dict[str, Any] = {}
    for line in lines:
        if not line and event:
            yield event
            event = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" and value != "[DONE]" else value


def test_events_come_newest_first_page_by_page(service: Any, openai: OpenAI, job_id: str):
    service.events.tell(job_id, News("step-1", "Step 1/2: training loss=2.50", STEP))
    page = openai.fine_tuning.jobs.list_events(job_id, limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    events = list(page)  # the client asks for the other pages
    assert [event.type for event in events] == ["metrics", "message", "message"]
    assert events[0].data == STEP
    assert (events[0].object, events[0].level) == ("fine_tuning.job.event", "info")
    assert events[1].data is None
    assert len({event.id for event in events}) == 3


def test_events_and_failures_are_told_in_the_language_asked_for(
    service: Any, client: TestClient, job_id: str
):
    service.jobs.fail(
        job_id, ["queued", "validating_files"], JobError("internal_error", UNEXPECTED)
    )
    path = f"/v1/fine_tuning/jobs/{job_id}"
    chinese = {"Accept-Language": "zh-CN,zh;q=0.9"}
    told = [
        each["message"] for each in client.get(f"{path}/events", headers=chinese).json()["data"]
    ]
    assert told[0] == "任务因程序自身的错误而结束；服务器上它的日志有更多说明。"
    assert told[-1] == f"已创建微调任务：{job_id}"
    found = client.get(path, headers=chinese)
    assert found.json()["error"]["message"] == told[0]
    assert found.headers["vary"] == "Accept-Language"
    assert client.get(path).json()["error"]["message"] == UNEXPECTED
    streamed = client.get(f"{path}/events?stream=true", headers=chinese).text
    assert f"已创建微调任务：{job_id}" in streamed


def test_an_event_of_another_job_is_none_to_go_on_from(service: Any, openai: OpenAI, job_id: str):
    jobs = openai.fine_tuning.jobs
    other = jobs.create(model="base", training_file=service.file_id).id
    for after in (jobs.list_events(other).data[0].id, "ftevent-\0", "x", ""):
        with pytest.raises(NotFoundError) as refused:
            jobs.list_events(job_id, after=after)
        assert (refused.value.param, refused.value.code) == ("after", "event_not_found")


def test_a_stream_tells_all_events_of_an_ended_job(service: Any, client: TestClient, job_id: str):
    service.jobs.move(job_id, ["validating_files"], "cancelled")
    response = client.get(f"/v1/fine_tuning/jobs/{job_id}/events?stream=true")
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, done = parsed(response.iter_lines())
    assert done == {"data": "[DONE]"}
    assert [event["id"] for event in events] == [event["data"]["id"] for event in events]
    assert events[0]["data"]["message"] == f"Created fine-tuning job: {job_id}"
    first = events[0]["id"]
    for asked, headers in ((f"&after={first}", {}), ("", {"Last-Event-ID": first})):
        path = f"/v1/fine_tuning/jobs/{job_id}/events?stream=true{asked}"
        rest = client.get(path, headers=headers)
        assert [*parsed(rest.iter_lines())] == [*events[1:], done]


def test_a_stream_goes_on_from_an_event_of_its_job_alone(client: TestClient, job_id: str):
    for after in ("ftevent-other-1", "%00", "ftevent--1"):
        response = client.get(f"/v1/fine_tuning/jobs/{job_id}/events?stream=true&after={after}")
        assert response.status_code == 404


@pytest.fixture
def followed(service: Any, serve_app: Callable[..., str], job_id: str) -> Iterator[httpx.Response]:
    """A stream of a job that goes on."""
    url = serve_app(service.build())
    path = f"{url}/v1/fine_tuning/jobs/{job_id}/events"
    with httpx.stream("GET", path, params={"stream": "true"}, timeout=20) as response:
        yield response


def test_a_stream_tells_what_comes_while_it_is_read(
    service: Any, followed: httpx.Response, job_id: str
):
    events = parsed(followed.iter_lines())
    assert [next(events)["data"]["type"] for _ in range(2)] == ["message", "message"]
    service.events.tell(job_id, News("step-1", "Step 1/2", STEP))
    assert next(events)["data"]["data"] == STEP
    service.jobs.move(job_id, ["validating_files"], "cancelled")
    service.events.tell(job_id, News("cancelled", "Fine-tuning job cancelled"))
    assert next(events)["data"]["message"] == "Fine-tuning job cancelled"
    assert next(events)["data"] == "[DONE]"


def test_a_stream_ends_when_the_server_is_to_stop(service: Any, followed: httpx.Response):
    events = parsed(followed.iter_lines())
    next(events)
    service.gate.close()
    assert all(event["data"] != "[DONE]" for event in events)


def test_a_stream_tells_more_events_than_a_page_has(service: Any, client: TestClient, job_id: str):
    service.events.tell(job_id, *(News(f"step-{n}", "x", {"step": n}) for n in range(1100)))
    service.jobs.move(job_id, ["validating_files"], "cancelled")
    response = client.get(f"/v1/fine_tuning/jobs/{job_id}/events?stream=true")
    *events, done = parsed(response.iter_lines())
    assert (len(events), done["data"]) == (1102, "[DONE]")


def test_a_key_follows_so_many_streams_at_once(service: Any, job_id: str):
    async def run() -> None:
        streams = EventStreams(service.jobs, service.events, service.gate)
        opened = [await streams.open("anna", job_id, None) for _ in range(MOST_AT_ONCE)]
        with pytest.raises(LimitReached, match="10 streams"):
            await streams.open("anna", job_id, None)
        others = await streams.open("berta", job_id, None)
        await opened.pop().aclose()  # unread
        again = await streams.open("anna", job_id, None)
        assert b"Created fine-tuning job" in await anext(again)
        for each in (*opened, others, again):
            await each.aclose()

    asyncio.run(run())


def test_a_client_that_goes_away_gives_its_place_to_others(
    service: Any, serve_app: Callable[..., str], job_id: str
):
    path = f"{serve_app(service.build())}/v1/fine_tuning/jobs/{job_id}/events?stream=true"

    def status() -> int:
        with httpx.stream("GET", path, timeout=20) as response:
            return response.status_code

    with ExitStack() as stack:
        for _ in range(MOST_AT_ONCE):
            stack.enter_context(httpx.stream("GET", path, timeout=20))
        assert status() == 429
    assert any(status() == 200 for _ in range(1000))
