"""Who is let in while the server starts, works and stops."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.app import build_app
from service.http.gate import Gate
from service.models import Models
from service.settings import ServiceSettings
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL


def chat(client: TestClient) -> Any:
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]}
    return client.post("/v1/chat/completions", json=body)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(models_here: Models, gate: Gate) -> FastAPI:
    return build_app(ScriptedEngine(), models_here, ServiceSettings(), gate)


def test_a_server_is_ready_once_its_engine_has_started(app: FastAPI):
    starting = TestClient(app, base_url=URL)  # no lifespan: the engine has not started
    response = starting.get("/ready")
    assert response.status_code == 503
    assert "starting" in response.json()["error"]["message"]
    assert starting.get("/health").status_code == 200
    with TestClient(app, base_url=URL) as client:
        response = client.get("/ready")
        assert (response.status_code, response.json()) == (200, {"status": "ready"})


def test_nobody_is_let_in_before_the_engine_has_started(app: FastAPI):
    assert chat(TestClient(app, base_url=URL)).status_code == 503


def test_a_server_that_stops_says_so_and_takes_no_more(app: FastAPI, gate: Gate):
    with TestClient(app, base_url=URL) as client:
        assert chat(client).status_code == 200
        gate.close()
        response = chat(client)
        error = response.json()["error"]
        assert (response.status_code, error["type"]) == (503, "server_error")
        assert error["code"] == "server_unavailable"
        assert "stopping" in error["message"]
        assert response.headers["retry-after"].isdigit()
        assert response.headers["connection"] == "close"
        assert response.headers["x-request-id"]
        assert "stopping" in client.get("/ready").json()["error"]["message"]
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 200


def test_a_gate_that_has_closed_stays_closed(gate: Gate):
    gate.open()
    gate.close()
    gate.open()
    assert gate.reason is not None


def test_those_inside_are_counted_until_they_leave(app: FastAPI, gate: Gate):
    with TestClient(app, base_url=URL) as client:
        for _ in range(3):
            chat(client)
            client.get("/v1/nowhere")
    assert gate.num_inside == 0
    assert gate.leashes == set()


def test_behind_a_proxy_that_takes_a_prefix_off_all_is_as_it_was(
    models_here: Models, gate: Gate, serve_app: Callable[..., str]
):
    app = build_app(ScriptedEngine(), models_here, ServiceSettings(), gate)
    url = serve_app(app, root_path="/lora")
    assert httpx.get(f"{url}/v1/models").status_code == 200
    assert httpx.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/lora"}]
    gate.close()
    assert httpx.get(f"{url}/v1/models").status_code == 503
    assert httpx.get(f"{url}/health").status_code == 200


def test_a_server_whose_engine_has_ended_is_not_ready(open_client: Callable[..., TestClient]):
    engine = ScriptedEngine()
    client = open_client(engine)
    assert client.get("/ready").status_code == 200
    engine.is_started = False
    response = client.get("/ready")
    assert response.status_code == 503
    assert "Restart" in response.json()["error"]["message"]


def test_pages_elsewhere_may_call_only_where_that_is_allowed(
    open_client: Callable[..., TestClient],
):
    asking = {"Origin": "https://clinic.example", "Access-Control-Request-Method": "POST"}
    closed = open_client(ScriptedEngine())
    assert "access-control-allow-origin" not in closed.get("/health", headers=asking).headers
    assert closed.options("/v1/chat/completions", headers=asking).status_code == 403
    allowing = open_client(ScriptedEngine(), cors_origins=("https://clinic.example",))
    granted = allowing.options("/v1/chat/completions", headers=asking)
    assert granted.headers["access-control-allow-origin"] == "https://clinic.example"
    told = allowing.get("/health", headers=asking).headers["access-control-expose-headers"]
    assert {"Retry-After", "x-ratelimit-remaining-tokens"} <= set(told.split(", "))
    stranger = asking | {"Origin": "https://elsewhere.example"}
    refused = allowing.options("/v1/chat/completions", headers=stranger)
    assert "access-control-allow-origin" not in refused.headers
