"""The servers that compute for ours, over HTTP and at a terminal."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.cli import app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

ONE, TWO = "http://gpu-1:8001", "http://gpu-2:8001"


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(servers=(ONE, TWO))


@pytest.fixture
def client(engine: ScriptedEngine, models_here: Models) -> Any:
    with TestClient(build_app(engine, models_here, ServiceSettings()), base_url=URL) as client:
        yield client


def states(client: TestClient) -> list[str]:
    return [each["state"] for each in client.get("/v1/engines").json()["data"]]


def test_servers_are_listed_drained_and_undrained(client: TestClient):
    listed = client.get("/v1/engines").json()
    assert listed["engine"] == "scripted"
    assert listed["data"][0] == {
        "object": "engine",
        "url": ONE,
        "state": "ready",
        "reason": None,
        "running": 0,
        "requests": 0,
        "failures": 0,
        "restarts": 0,
        "adapter_loads": 0,
        "adapter_evictions": 0,
        "adapters": [],
    }
    drained = client.post("/v1/engines/drain", json={"url": f"{TWO}/v1/"})
    assert (drained.status_code, drained.json()["state"]) == (200, "draining")
    assert states(client) == ["ready", "draining"]
    assert client.get("/health").json()["servers"] == {"ready": 1, "draining": 1}
    client.post("/v1/engines/undrain", json={"url": TWO})
    assert states(client) == ["ready", "ready"]


def test_a_server_that_is_not_there_cannot_be_drained(client: TestClient):
    refused = client.post("/v1/engines/drain", json={"url": "http://elsewhere:1"})
    assert refused.status_code == 400
    assert f"There are: {ONE}, {TWO}." in refused.json()["error"]["message"]


def test_an_engine_that_computes_by_itself_lists_none(models_here: Models):
    with TestClient(
        build_app(ScriptedEngine(), models_here, ServiceSettings()), base_url=URL
    ) as client:
        assert client.get("/v1/engines").json()["data"] == []
        assert client.get("/health").json()["servers"] == {}
        refused = client.post("/v1/engines/drain", json={"url": ONE})
        assert "There are: none." in refused.json()["error"]["message"]
        assert "lora_chat_server_" not in client.get("/metrics").text


def test_only_admins_see_them(engine: ScriptedEngine, models_here: Models, own_state: State):
    keys = Keys(own_state)
    plain, admin = (keys.create(KeyWish(scope, scopes=[scope]))[1] for scope in ("chat", "admin"))
    built = build_app(engine, models_here, ServiceSettings(), state=own_state)
    with TestClient(built, base_url=URL) as client:

        def status(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            return client.get("/v1/engines", headers=headers).status_code

        assert (status(plain), status(admin)) == (403, 200)


def test_metrics_tell_of_each_server(client: TestClient):
    client.post("/v1/engines/drain", json={"url": TWO})
    told = client.get("/metrics").text
    assert f'lora_chat_server_state{{server="{ONE}",state="ready"}} 1.0' in told
    assert f'lora_chat_server_state{{server="{TWO}",state="ready"}} 0.0' in told
    assert f'lora_chat_server_state{{server="{TWO}",state="draining"}} 1.0' in told
    assert f'lora_chat_server_requests_running{{server="{ONE}"}} 0.0' in told
    assert f'lora_chat_server_failures_total{{server="{TWO}"}} 0.0' in told


@pytest.fixture
def run(
    engine: ScriptedEngine, models_here: Models, serve_app: Callable[..., str]
) -> Callable[..., Any]:
    url = serve_app(build_app(engine, models_here, ServiceSettings()))
    return lambda *words: CliRunner().invoke(app, ["engines", *words, "--url", url])


def test_a_terminal_lists_and_drains_them(run: Callable[..., Any]):
    assert f"{TWO} gets no more requests; 0 run there still." in run("drain", TWO).output
    listed = run("list").output
    assert ONE in listed
    assert "draining" in listed
    told = json.loads(run("list", "--json").output)
    assert [each["state"] for each in told["engines"]] == ["ready", "draining"]
    assert "gets requests again" in run("undrain", TWO).output
    refused = run("drain", "http://elsewhere:1")
    assert refused.exit_code == 1
    assert ONE in str(refused.exception)


def test_a_home_without_a_server_is_told(tmp_path: Any):
    result = CliRunner().invoke(app, ["engines", "list", "--home", str(tmp_path)])
    assert "No server runs on this home" in str(result.exception)
