"""Names that nobody means well with, wherever the API takes one, in each kind of database."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from finetune.adapters.versions import NAME
from service.state.database import State
from tests.hostile.names import BLENDS, NAMES

JOBS = "/v1/fine_tuning/jobs"
FIELDS = (
    "model",
    "training_file",
    "validation_file",
    "suffix",
    "seed",
    "method",
    "hyperparameters",
)


@pytest.fixture
def own_state(state: State) -> State:
    return state


def assert_refused(response: Any, said: object) -> None:
    assert 400 <= response.status_code < 500, (said, response.text)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}, said


def test_no_field_takes_a_hostile_name(service: Any, post: Callable[..., Any]):
    service.add_file()
    for name in (NAMES | BLENDS).values():
        for field in FIELDS:
            response = post(**{field: name})
            if field == "suffix" and NAME.fullmatch(name):
                assert response.status_code == 200
            else:
                assert_refused(response, (field, name))


def test_metadata_are_texts_and_stay_what_they_are(service: Any, post: Callable[..., Any]):
    service.add_file()
    for name in NAMES.values():
        metadata = {name[:64]: name[:512]}
        response = post(metadata=metadata)
        assert response.status_code == 200, (name, response.text)
        job_id = response.json()["id"]
        assert service.jobs.find(job_id).metadata == metadata
        assert job_id in [job.id for job in service.jobs.newest(metadata=metadata)]


def test_no_query_takes_a_hostile_name(service: Any, client: TestClient, post: Callable[..., Any]):
    service.add_file()
    job_id = post().json()["id"]
    for name in map(quote, filter(None, NAMES.values())):
        for query in (
            f"{JOBS}?after={name}",
            f"{JOBS}?limit={name}",
            f"{JOBS}/{job_id}/events?after={name}",
            f"{JOBS}/{job_id}/events?stream=true&after={name}",
            f"{JOBS}/{job_id}/events?stream={name}",
            f"{JOBS}/{job_id}/checkpoints?after={name}",
        ):
            assert_refused(client.get(query), query)
        found = client.get(f"{JOBS}?metadata[{name}]={name}")
        assert found.json() == {"object": "list", "data": [], "has_more": False}, name
