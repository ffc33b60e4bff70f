"""What /metrics tells of the jobs that a server sees to."""

from collections.abc import Callable
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from service.app import build_app
from service.jobs.actions import JobActions
from service.jobs.desk import Desk
from service.jobs.jobs import Jobs
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.jobs.test_jobs import new_job


def sample(url: str, name: str, **labels: str) -> float:
    page = httpx.get(f"{url}/metrics").text
    (value,) = (
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if (sample.name, sample.labels) == (f"lora_chat_{name}", labels)
    )
    return value


def test_jobs_are_told_by_their_status_and_once_when_they_end(
    models_here: Models,
    own_state: State,
    serve_app: Callable[[FastAPI], str],
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    settings = ServiceSettings(home=tmp_path)
    url = serve_app(build_app(ScriptedEngine(), models_here, settings, state=own_state))
    desk, jobs = Desk(tmp_path), Jobs(own_state, clock=lambda: 1_250)
    for number in (1, 2, 3):
        new = new_job(f"ftjob-{number}", place=desk.place, key_id="", run=f"runs/{number}")
        jobs.add(new, status="paused", started=1_000 if number == 1 else None)
    wait_until(lambda: sample(url, "jobs", status="paused") == 3)
    jobs.move("ftjob-1", ["paused"], "succeeded", trained_tokens=700)
    JobActions(jobs, desk).cancel("ftjob-2")
    wait_until(lambda: sample(url, "jobs", status="paused") == 1)
    assert sample(url, "job_seconds_sum", status="succeeded") == 250
    assert sample(url, "job_seconds_bucket", status="succeeded", le="120.0") == 0
    assert sample(url, "job_seconds_bucket", status="succeeded", le="300.0") == 1
    assert sample(url, "job_seconds_sum", status="cancelled") == 0
    assert sample(url, "trained_tokens_total") == 700
    jobs.move("ftjob-3", ["paused"], "failed")
    wait_until(lambda: sample(url, "job_seconds_count", status="failed") == 1)
    assert sample(url, "job_seconds_count", status="succeeded") == 1
    assert sample(url, "job_seconds_count", status="cancelled") == 1
