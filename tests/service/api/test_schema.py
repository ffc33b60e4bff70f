"""Requests generated from our own OpenAPI document, right ones and wrong ones."""

from collections.abc import Callable, Generator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from jsonschema_rs import validator_for
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import build_app
from service.jobs.desk import Desk
from service.jobs.job import NewJob, Status
from service.jobs.jobs import Jobs
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine

ENDED_JOB = "ftjob-2"  # whose events come to an end
ERROR = validator_for(
    {
        "type": "object",
        "required": ["error"],
        "additionalProperties": False,
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "additionalProperties": False,
                "properties": {
                    "message": {"type": "string", "minLength": 1},
                    "type": {"type": "string", "minLength": 1},
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                },
            }
        },
    }
)


def error_is_openais(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    if response.status_code >= 400 and case.method != "HEAD":
        assert ERROR.is_valid(response.json()), response.text


CHECKS: list[Any] = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    error_is_openais,
]


@pytest.fixture
def app(
    models_here: Models, own_state: State, add_adapter: Callable[..., Path], tmp_path: Path
) -> Generator[FastAPI]:
    add_adapter("中医")
    desk = Desk(tmp_path)
    add_job(own_state, desk, "ftjob-1", "running")
    add_job(own_state, desk, ENDED_JOB, "cancelled")
    settings = ServiceSettings(home=tmp_path, host="0.0.0.0", store_answers="asked")
    with desk.working_on("ftjob-1"):  # here, so that nothing is really trained
        yield build_app(ScriptedEngine(), models_here, settings, state=own_state)
        shutdown_lifespans()


def add_job(state: State, desk: Desk, job_id: str, status: Status) -> None:
    new = NewJob(
        id=job_id,
        key_id="",
        place=desk.place,
        model="base",
        name="tcm",
        training_file="file-1",
        run=f"runs/{job_id}",
        options={},
        seed=7,
    )
    Jobs(state).add(new, status=status)


def send_generated(app: FastAPI, num_cases: int, share: int) -> int:
    """Send rounds of `share` right and `share` wrong requests to each operation; returns how many.

    Operations that take nothing have one request alone.
    """
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [result.ok() for result in schema.get_all_operations()]
    num_sent = 0
    for turn in count():
        for operation in operations:
            for mode in GenerationMode:
                num_sent += send(operation, mode, share, turn)
        if num_sent >= num_cases:
            break
    return num_sent


def send(operation: Any, mode: GenerationMode, share: int, turn: int) -> int:
    """Returns how many it were: a request without parameters cannot be wrong."""
    num_sent = 0

    @seed(turn)
    @settings(
        max_examples=share,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send_one(case: Case[Any]) -> None:
        nonlocal num_sent
        num_sent += 1
        # Generated names are always unknown.
        if mode.is_positive and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = "base"
        if mode.is_positive and "job_id" in case.path_parameters:
            case.path_parameters["job_id"] = ENDED_JOB
        case.call_and_validate(checks=CHECKS)

    with suppress(Unsatisfiable):
        send_one()
    return num_sent


def test_generated_requests_are_answered_as_documented(app: FastAPI):
    assert send_generated(app, 100, share=5) >= 100


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_thousand_generated_requests_are_answered_as_documented(app: FastAPI):
    assert send_generated(app, 2_000, share=50) >= 2_000
