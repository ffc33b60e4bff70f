"""Jobs are listed, found and told what to do by whom they belong to, in each kind of database."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import BadRequestError, NotFoundError, OpenAI

from service.state.database import State

JOBS = "/v1/fine_tuning/jobs"
HOSTILE = [
    "ftjob-1",
    "ftjob-%00",
    "ftjob-" + "a" * 5000,
    "..%2F..%2Fetc",
    "'%20OR%201=1--",
    "%F0%9F%98%80",
    "ftjob-%E4%B8%AD",
    "*",
]


@pytest.fixture
def own_state(state: State) -> State:
    return state


@pytest.fixture
def create(service: Any, openai: OpenAI) -> Callable[..., str]:
    """Make a job; returns its id."""
    file_id = service.add_file()
    jobs = openai.fine_tuning.jobs
    return lambda **of: jobs.create(model="base", training_file=file_id, **of).id


def ids_of(client: TestClient, query: str) -> list[str]:
    response = client.get(f"{JOBS}?{query}")
    assert response.status_code == 200, response.text
    return [job["id"] for job in response.json()["data"]]


def test_jobs_are_listed_newest_first_page_by_page(openai: OpenAI, create: Callable[..., str]):
    made = [create() for _ in range(5)]
    page = openai.fine_tuning.jobs.list(limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    assert [job.id for job in page] == made[::-1]  # the client asks for the other pages
    assert not openai.fine_tuning.jobs.list(after=made[2]).has_more


def test_jobs_are_found_by_metadata(openai: OpenAI, client: TestClient, create: Callable[..., str]):
    one = create(metadata={"诊所": "甲", "note": ""})
    two = create(metadata={"诊所": "乙", 'a"b]': "$"})
    none = create()
    jobs = openai.fine_tuning.jobs
    assert [job.id for job in jobs.list(metadata={"诊所": "甲"})] == [one]
    assert [job.id for job in jobs.list(metadata={"诊所": "甲", "note": "x"})] == []
    assert [job.id for job in jobs.list(metadata={'a"b]': "$"})] == [two]
    assert [job.id for job in jobs.list(metadata={})] == [none, two, one]
    assert ids_of(client, "metadata[note]=") == [one]
    assert ids_of(client, "metadata=null") == [none]
    assert ids_of(client, "metadata[x]=%00") == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("metadata=clinic", "metadata"),
        ("metadata[a]=1&metadata[a]=2", "metadata"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(client: TestClient, query: str, param: str):
    response = client.get(f"{JOBS}?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_an_id_that_is_none_is_not_found(client: TestClient):
    acts = [("POST", f"/{act}") for act in ("cancel", "pause", "resume")]
    for method, path in [("GET", ""), ("GET", "/events"), ("GET", "/checkpoints"), *acts]:
        for hostile in HOSTILE:
            response = client.request(method, f"{JOBS}/{hostile}{path}")
            assert response.status_code == 404, (hostile, path)
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
            assert len(response.content) < 6000


def test_a_place_to_go_on_from_that_is_none_is_not_found(client: TestClient):
    for hostile in HOSTILE:
        response = client.get(f"{JOBS}?after={hostile}")
        assert response.status_code == 404, hostile
        assert response.json()["error"]["param"] == "after"


def test_a_job_is_cancelled_paused_and_resumed(openai: OpenAI, create: Callable[..., str]):
    job_id, jobs = create(), openai.fine_tuning.jobs
    assert jobs.pause(job_id).status == "paused"
    assert jobs.resume(job_id).status == "queued"
    assert jobs.cancel(job_id).status == "cancelled"
    assert jobs.retrieve(job_id).status == "cancelled"
    for act in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(BadRequestError) as refused:
            act(job_id)
        assert refused.value.code == "job_status"


def test_anothers_jobs_do_not_exist(service: Any, connect: Callable[..., OpenAI]):
    keys = [service.add_key(name, "train") for name in ("anna", "ben")]
    made: list[str] = []
    for key, secret in keys:
        file_id = service.add_file(key=key)
        job = connect(secret).fine_tuning.jobs.create(model="base", training_file=file_id)
        made.append(job.id)
    anna, ben = (connect(secret).fine_tuning.jobs for _, secret in keys)
    assert [job.id for job in anna.list()] == [made[0]]
    for ask in (ben.retrieve, ben.cancel, ben.pause, ben.resume, ben.list_events):
        with pytest.raises(NotFoundError) as refused:
            ask(made[0])
        assert refused.value.code == "fine_tune_not_found"
    with pytest.raises(NotFoundError):
        ben.checkpoints.list(made[0])
    with pytest.raises(NotFoundError):
        ben.list(after=made[0])
    with pytest.raises(NotFoundError) as foreign:
        ben.create(model="base", training_file=anna.retrieve(made[0]).training_file)
    assert foreign.value.param == "training_file"
    _, boss = service.add_key("boss", "admin")
    assert [job.id for job in connect(boss).fine_tuning.jobs.list()] == made[::-1]
    assert connect(boss).fine_tuning.jobs.cancel(made[0]).status == "cancelled"
