"""What /metrics says after requests of every kind."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from serving.engine import EngineStats
from serving.errors import EngineBusy, EngineFailed
from serving.scripted import ScriptedEngine

ROOT = Path(__file__).parents[3]


class FullEngine(ScriptedEngine):
    """One that holds something of everything."""

    def stats(self) -> EngineStats:
        return EngineStats(
            num_running=1,
            num_waiting=2,
            num_resident_adapters=3,
            num_resident_bytes=4,
            num_blocks=50,
            num_free_blocks=6,
            num_prompt_tokens=70,
            num_cached_tokens=8,
            num_preemptions=9,
            num_adapter_loads=10,
            num_adapter_evictions=11,
            num_threads=12,
            cores_elsewhere=1.5,
        )


def scrape(client: TestClient) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus would read it."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name.removeprefix("lora_chat_")
        + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def chat(client: TestClient, **fields: Any) -> Any:
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]} | fields
    return client.post("/v1/chat/completions", json=body)


def test_the_engine_is_asked_when_somebody_looks(open_client: Callable[..., TestClient]):
    told = scrape(open_client(FullEngine()))
    assert {
        "requests_running": 1,
        "requests_waiting": 2,
        "resident_adapters": 3,
        "threads": 12,
        "cores_elsewhere": 1.5,
        "resident_adapter_bytes": 4,
        "kv_blocks": 50,
        "kv_blocks_used": 44,
        "engine_prompt_tokens_total": 70,
        "prefix_cached_tokens_total": 8,
        "preemptions_total": 9,
        "adapter_loads_total": 10,
        "adapter_evictions_total": 11,
    }.items() <= told.items()


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_and_their_times_are_counted(open_client: Callable[..., TestClient], stream: bool):
    client = open_client(ScriptedEngine(default="abcdefghi"))
    chat(client, stream=stream)
    chat(client, stream=stream)
    told = scrape(client)
    assert told["completion_tokens_total model=base"] == 6
    assert told["prompt_tokens_total model=base"] > 10
    assert told["time_to_first_token_seconds_count"] == 2
    assert told["time_between_tokens_seconds_count"] == 4
    assert told["answers_total finish=stop model=base"] == 2


def test_times_have_buckets_from_5_ms_to_a_minute(open_client: Callable[..., TestClient]):
    client = open_client(ScriptedEngine(delay=0.006))
    chat(client, max_tokens=3)
    told = scrape(client)
    for name in ("time_to_first_token", "time_between_tokens"):
        assert told[f"{name}_seconds_bucket le=0.005"] == 0
        assert told[f"{name}_seconds_bucket le=60.0"] > 0
        assert told[f"{name}_seconds_sum"] > 0.005


def test_requests_are_counted_by_endpoint_status_and_model(
    open_client: Callable[..., TestClient], add_adapter: Callable[..., Path]
):
    add_adapter("中医")
    client = open_client(ScriptedEngine())
    chat(client, model="中医")
    chat(client, model="中医:0.5+中医@1:0.5")
    chat(client, model="nobody")
    client.get("/v1/models/中医")
    client.get("/made/up/by/a/stranger")
    told = scrape(client)
    chats = "http_requests_total endpoint=/v1/chat/completions"
    assert told[f"{chats} model=中医 status=200"] == 1
    assert told[f"{chats} model= status=404"] == 1
    assert told["http_requests_total endpoint=/v1/models/{model:path} model= status=200"] == 1
    assert told["http_requests_total endpoint=other model= status=404"] == 1
    assert told["http_request_seconds_count endpoint=/v1/chat/completions"] == 3
    assert "stranger" not in str(told)
    assert "nobody" not in str(told)


def test_blends_count_for_each_of_their_adapters(
    open_client: Callable[..., TestClient], add_adapter: Callable[..., Path]
):
    add_adapter("a")
    add_adapter("b")
    client = open_client(ScriptedEngine())
    chat(client, model="a:0.5+b:0.5")
    chat(client, model="a")
    told = scrape(client)
    assert told["adapter_requests_total adapter=a"] == 2
    assert told["adapter_requests_total adapter=b"] == 1
    assert told["answers_total finish=stop model=blend"] == 1


def test_only_so_many_adapters_have_labels_of_their_own(
    open_client: Callable[..., TestClient], add_adapter: Callable[..., Path]
):
    for name in "abcd":
        add_adapter(name)
    client = open_client(ScriptedEngine(), metric_names=2)
    for name in "abcda":
        chat(client, model=name)
    told = scrape(client)
    counts = {key: value for key, value in told.items() if key.startswith("adapter_requests_total")}
    assert counts == {
        "adapter_requests_total adapter=a": 2,
        "adapter_requests_total adapter=b": 1,
        "adapter_requests_total adapter=other": 2,
    }


def test_failures_are_counted_by_their_kind(open_client: Callable[..., TestClient]):
    client = open_client(ScriptedEngine(failure=EngineFailed("oh"), fail_at=1))
    chat(client)
    told = scrape(client)
    assert told["answers_total finish=EngineFailed model=base"] == 1
    assert told["completion_tokens_total model=base"] == 1


def test_what_is_refused_is_no_work_done(
    open_client: Callable[..., TestClient], add_adapter: Callable[..., Path]
):
    add_adapter("a")
    client = open_client(ScriptedEngine(failure=EngineBusy(9)))
    assert chat(client, model="a", n=3).status_code == 429
    told = scrape(client)
    assert not any(name.startswith(("prompt_tokens", "adapter_requests")) for name in told)
    assert told["answers_total finish=EngineBusy model=a"] >= 1


def test_what_passes_a_limit_is_called_so(open_client: Callable[..., TestClient]):
    client = open_client(ScriptedEngine(), max_prompt_tokens=1)
    assert chat(client).status_code == 400
    assert scrape(client)["answers_total finish=InvalidRequest model=base"] == 1


def test_two_applications_count_apart(open_client: Callable[..., TestClient]):
    first, second = open_client(ScriptedEngine()), open_client(ScriptedEngine())
    chat(first)
    assert "answers_total finish=stop model=base" in scrape(first)
    assert "answers_total finish=stop model=base" not in scrape(second)


def test_the_dashboard_asks_for_metrics_that_there_are(
    open_client: Callable[..., TestClient], add_adapter: Callable[..., Path]
):
    add_adapter("a")
    client = open_client(FullEngine())
    chat(client, model="a")
    dashboard = (ROOT / "docs" / "operating" / "grafana.json").read_text(encoding="utf-8")
    asked = set(re.findall(r"lora_chat_(\w+)", dashboard))
    assert len(asked) > 10
    assert asked <= {name.partition(" ")[0] for name in scrape(client)}


def test_a_server_that_trains_nothing_has_no_jobs(open_client: Callable[..., TestClient]):
    told = scrape(open_client(ScriptedEngine()))
    assert told["jobs status=running"] == told["jobs status=paused"] == 0
    assert told["job_seconds_count status=failed"] == told["trained_tokens_total"] == 0
