"""What pages of other sites can do to a server that asks nobody for a key: nothing."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings, is_loopback
from service.state.database import open_state
from serving.scripted import ScriptedEngine

OpenClient = Callable[..., TestClient]
CHAT = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]}
EVIL = "http://evil.example"


def statuses(client: TestClient, **headers: str) -> list[int]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return [
        client.post("/v1/chat/completions", json=CHAT, headers=sent).status_code,
        client.post("/v1/adapters/tcm/rollback", headers=sent).status_code,
        client.get("/v1/models", headers=sent).status_code,
    ]


def test_other_sites_pages_are_refused_and_own_ones_are_not(open_client: OpenClient):
    client = open_client(ScriptedEngine())
    usual = statuses(client)
    assert usual == [200, 404, 200]
    assert statuses(client, origin=EVIL) == [403] * 3
    assert statuses(client, origin="null") == [403] * 3
    assert statuses(client, origin="http://[") == [403] * 3
    assert statuses(client, origin="http://127.0.0.1:8000") == usual
    assert client.get("/health", headers={"origin": EVIL}).status_code == 200
    error = client.get("/v1/models", headers={"origin": EVIL}).json()["error"]
    assert "cors_origins" in error["message"]
    assert (error["param"], error["code"]) == (None, "not_allowed")


@pytest.mark.parametrize("allowed", [EVIL, "*"])
def test_allowed_pages_may_call(open_client: OpenClient, allowed: str):
    client = open_client(ScriptedEngine(), cors_origins=(allowed,))
    assert statuses(client, origin=EVIL) == [200, 404, 200]


def test_a_name_that_has_been_made_to_mean_this_machine_is_refused(open_client: OpenClient):
    client = open_client(ScriptedEngine(), allowed_hosts=("lora.clinic.example",))
    for host in ("evil.example:8000", "evil.example", "127.0.0.1.evil.example", "[::1", ""):
        assert statuses(client, host=host) == [403] * 3, host
        assert statuses(client, host=host, origin=f"http://{host}") == [403] * 3, host
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:80", "lora.clinic.example"):
        assert statuses(client, host=host) == [200, 404, 200], host


def test_beyond_this_machine_any_name_will_do(open_client: OpenClient):
    client = open_client(ScriptedEngine(), host="0.0.0.0", insecure=True)
    assert statuses(client, host="clinic.example") == [200, 404, 200]
    assert statuses(client, host="clinic.example", origin=EVIL) == [403] * 3


def test_with_keys_a_key_is_what_counts(models_here: Models, tmp_path: Path):
    with closing(open_state(tmp_path, None)) as state:
        _, key = Keys(state).create(KeyWish("anna", ("admin",)))
        settings = ServiceSettings(home=tmp_path)
        app = build_app(ScriptedEngine(), models_here, settings, state=state)
        with TestClient(app, base_url="http://lora.clinic.example") as client:
            found: Any = statuses(client, authorization=f"Bearer {key}", origin=EVIL)
            assert found == [200, 404, 200]
            assert statuses(client, origin=EVIL) == [401] * 3


def test_addresses_of_this_machine():
    for host in ("localhost", "127.0.0.1", "127.0.0.2", "::1"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "clinic.example", "192.168.0.1"):
        assert not is_loopback(host)
