import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL


@pytest.fixture
def client(open_client: Callable[[Engine], TestClient]) -> TestClient:
    return open_client(ScriptedEngine())


def test_engine_lives_as_long_as_the_application(build: Callable[[Engine], FastAPI]):
    engine = ScriptedEngine()
    app = build(engine)
    assert not engine.is_started
    with TestClient(app, base_url=URL):
        assert engine.is_started
    assert not engine.is_started


def test_health_names_the_base_and_counts_requests(client: TestClient):
    health = client.get("/health").json()
    assert health.pop("version")
    assert health == {
        "service": "lora-chat",
        "status": "ok",
        "model": "base",
        "running": 0,
        "waiting": 0,
        "resident_adapters": 0,
        "resident_bytes": 0,
        "blocks": 0,
        "free_blocks": 0,
        "prompt_tokens": 0,
        "cached_tokens": 0,
        "preemptions": 0,
        "compiled": False,
        "compiling": False,
        "threads": 0,
        "cores_elsewhere": 0.0,
        "engine": "scripted",
        "precision": "",
        "kernel": "",
        "servers": {},
    }


def test_models_are_the_base_then_the_adapters(
    client: TestClient, add_adapter: Callable[..., Path], adapters: Path
):
    add_adapter("tcm", "1")
    add_adapter("tcm", "3")
    response = client.get("/v1/models")
    base, tcm = response.json()["data"]
    assert (base["id"], base["parent"]) == ("base", None)
    del tcm["created"]
    assert tcm == {
        "id": "tcm",
        "object": "model",
        "owned_by": "lora-chat",
        "parent": "base",
        "version": "3",
        "max_model_len": 2048,
        "trained_on": {"base": "base", "data": "x.txt", "num_conversations": 1},
        "disclaimer": None,
    }
    assert str(adapters) not in response.text


def test_a_thousand_adapters_are_listed_at_once(
    client: TestClient, add_adapter: Callable[..., Path]
):
    """Well under 0.2 seconds on two cores that have nothing else to do."""
    for index in range(1000):
        add_adapter(f"a{index}")
    seconds: list[float] = []
    for _ in range(4):
        began = time.perf_counter()
        assert len(client.get("/v1/models").json()["data"]) == 1001
        seconds.append(time.perf_counter() - began)
    assert min(seconds[1:]) < 1


def test_adapter_copied_in_is_there_for_the_next_request(
    client: TestClient, add_adapter: Callable[..., Path]
):
    assert client.get("/v1/models/tcm").status_code == 404
    add_adapter("tcm")
    assert client.get("/v1/models/tcm").json()["version"] == "1"


@pytest.mark.parametrize("model", ["base", "tcm", "tcm@1", "tcm:0.7+style:0.3"])
def test_whatever_can_be_asked_can_be_found(
    client: TestClient, add_adapter: Callable[..., Path], model: str
):
    add_adapter("tcm")
    add_adapter("style")
    assert client.get(f"/v1/models/{model}").json()["id"] == model


def test_unknown_model_is_not_found(client: TestClient):
    error = client.get("/v1/models/some/one").json()["error"]
    assert error["code"] == "model_not_found"


def test_interface_is_documented(client: TestClient):
    paths = client.get("/openapi.json").json()["paths"]
    assert "422" not in paths["/v1/chat/completions"]["post"]["responses"]


@pytest.mark.parametrize("path", ["/health/", "/v1/models/tcm/"])
def test_slash_too_many_leads_nowhere(client: TestClient, path: str):
    response = client.get(path, headers={"Host": "localhost:9"}, follow_redirects=False)
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "invalid_request_error"
