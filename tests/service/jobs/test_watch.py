"""A server tries out what jobs have made, and steps aside for one where it is told to."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from finetune.adapters.versions import promote, promoted_version
from service.app import build_app
from service.jobs.desk import Desk
from service.jobs.events import Events
from service.jobs.jobs import Jobs
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.jobs.test_jobs import new_job

ASKED = {"model": "base", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
BuildOn = Callable[..., FastAPI]


@pytest.fixture
def build_on(models_here: Models, own_state: State, tmp_path: Path) -> BuildOn:
    def build(engine: ScriptedEngine, **settings: Any) -> FastAPI:
        chosen = ServiceSettings(home=tmp_path, **settings)
        return build_app(engine, models_here, chosen, state=own_state)

    return build


def made_job(state: State, home: Path, version: str, **options: Any) -> Jobs:
    """A job whose process has made a version and ended."""
    jobs = Jobs(state)
    new = new_job("ftjob-1", place=Desk(home).place, name="tcm", key_id="", options=options)
    jobs.add(new, status="running", version=version)
    return jobs


def test_a_job_has_succeeded_once_its_version_has_answered(
    build_on: BuildOn,
    serve_app: Callable[..., str],
    add_adapter: Callable[..., Path],
    own_state: State,
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    add_adapter("tcm", "4")
    jobs = made_job(own_state, tmp_path, "tcm@4")
    engine = ScriptedEngine()
    url = serve_app(build_on(engine))
    wait_until(lambda: jobs.find("ftjob-1").has_ended)
    job = jobs.find("ftjob-1")
    assert (job.status, job.fine_tuned_model) == ("succeeded", "tcm@4")
    assert job.finished is not None
    (tried,) = engine.requests
    assert [(ref.name, ref.version) for ref, _ in tried.blend] == [("tcm", "4")]
    assert tried.sampling.max_tokens == 1
    assert all(engine.holds(ref) for ref, _ in tried.blend)
    told = [event.message for event in Events(own_state).newest("ftjob-1")]
    assert told[0] == "The job has successfully completed"
    assert told[1].startswith(f"New fine-tuned model created: {job.alias} (tcm@4)")
    answer = httpx.post(f"{url}/v1/chat/completions", json=ASKED | {"model": "tcm@4"})
    assert answer.status_code == 200


def test_a_version_that_does_not_load_fails_its_job(
    build_on: BuildOn,
    serve_app: Callable[..., str],
    add_adapter: Callable[..., Path],
    own_state: State,
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    folder = add_adapter("tcm", "4")
    (folder / "adapter_config.json").write_text("{}")
    jobs = made_job(own_state, tmp_path, "tcm@4")
    serve_app(build_on(ScriptedEngine()))
    wait_until(lambda: jobs.find("ftjob-1").has_ended)
    job = jobs.find("ftjob-1")
    assert job.error is not None
    assert (job.status, job.error.code) == ("failed", "model_not_loaded")
    assert "tcm@4" in job.error.message
    assert str(tmp_path) not in job.error.message


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_version_is_promoted_once_it_has_answered(
    build_on: BuildOn,
    serve_app: Callable[..., str],
    add_adapter: Callable[..., Path],
    own_state: State,
    tmp_path: Path,
    wait_until: Callable[..., None],
    is_whole: bool,
):
    add_adapter("tcm", "3")
    promote(tmp_path / "adapters", "tcm", "3")
    folder = add_adapter("tcm", "4")
    if not is_whole:
        (folder / "adapter_config.json").write_text("{}")
    jobs = made_job(own_state, tmp_path, "tcm@4", promote=True)
    serve_app(build_on(ScriptedEngine()))
    wait_until(lambda: jobs.find("ftjob-1").has_ended)
    assert promoted_version(tmp_path / "adapters", "tcm") == ("4" if is_whole else "3")


def test_what_was_trained_on_another_base_is_left_to_its_server(
    build_on: BuildOn,
    serve_app: Callable[..., str],
    add_adapter: Callable[..., Path],
    own_state: State,
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    add_adapter("tcm", "4")
    jobs = made_job(own_state, tmp_path, "tcm@4", base="another")
    other = new_job("ftjob-2", place=Desk(tmp_path).place, name="tcm", key_id="", options={})
    jobs.add(other, status="running", version="tcm@4")
    serve_app(build_on(ScriptedEngine()))
    wait_until(lambda: jobs.find("ftjob-2").has_ended)
    assert jobs.find("ftjob-1").status == "running"


@contextmanager
def held(home: Path, job_id: str):
    """Somebody works on a job for as long as the block lasts."""
    done, begun = threading.Event(), threading.Event()

    def work() -> None:
        with Desk(home).working_on(job_id):
            begun.set()
            done.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    yield
    done.set()
    thread.join()


def test_a_server_steps_aside_for_a_job_and_comes_back_for_its_result(
    build_on: BuildOn,
    serve_app: Callable[..., str],
    add_adapter: Callable[..., Path],
    own_state: State,
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    engine, jobs = ScriptedEngine(), Jobs(own_state)
    url = serve_app(build_on(engine, jobs="exclusive", grace=0.2))
    assert httpx.post(f"{url}/v1/chat/completions", json=ASKED).status_code == 200
    with held(tmp_path, "ftjob-1"):
        jobs.add(new_job("ftjob-1", place=Desk(tmp_path).place, key_id=""), status="running")
        wait_until(lambda: not engine.is_started)
        refused = httpx.post(f"{url}/v1/chat/completions", json=ASKED)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        assert "trains at the moment" in refused.json()["error"]["message"]
        assert "connection" not in refused.headers  # closed, it might be lost with its body
        assert httpx.get(f"{url}/ready").status_code == 503
        assert httpx.get(f"{url}/v1/fine_tuning/jobs/ftjob-1").json()["status"] == "running"
        add_adapter("中医", "1")
        jobs.move("ftjob-1", ["running"], version="中医@1")
    wait_until(lambda: jobs.find("ftjob-1").status == "succeeded")
    wait_until(lambda: httpx.get(f"{url}/ready").status_code == 200)
    assert httpx.post(f"{url}/v1/chat/completions", json=ASKED).status_code == 200


def test_a_running_answer_is_ended_with_words_when_the_engine_leaves(
    build_on: BuildOn,
    serve_app: Callable[..., str],
    own_state: State,
    tmp_path: Path,
):
    engine = ScriptedEngine(default="word " * 500, delay=0.05)
    url = serve_app(build_on(engine, jobs="exclusive", grace=0.2))
    with (
        held(tmp_path, "ftjob-1"),
        httpx.stream(
            "POST",
            f"{url}/v1/chat/completions",
            json=ASKED | {"stream": True, "max_tokens": 600},
            timeout=30,
        ) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines)
        new = new_job("ftjob-1", place=Desk(tmp_path).place, key_id="")
        Jobs(own_state).add(new, status="running")
        begun = time.monotonic()
        assert "trains at the moment" in "".join(lines)
        assert time.monotonic() - begun < 10


def test_jobs_can_be_turned_off(build_on: BuildOn, serve_app: Callable[..., str], tmp_path: Path):
    url = serve_app(build_on(ScriptedEngine(), jobs="off"))
    refused = httpx.get(f"{url}/v1/fine_tuning/jobs")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert not (tmp_path / "jobs").exists()
