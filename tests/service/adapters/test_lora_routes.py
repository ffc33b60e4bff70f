"""vLLM's load and unload, llama-server's list."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.versions import list_versions
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

Add = Callable[..., Path]
LOADED = "Success: LoRA adapter '{}' added successfully.\n"


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    return folder


@pytest.fixture
def client(engine: ScriptedEngine, models_here: Models, allowed: Path) -> Any:
    with TestClient(
        build_app(engine, models_here, ServiceSettings(lora_folders=(allowed,))),
        base_url=URL,
        raise_server_exceptions=False,
    ) as client:
        yield client


@pytest.fixture
def outside(add_adapter: Add, adapters: Path, allowed: Path) -> Path:
    """An adapter in a folder that may be loaded from."""
    add_adapter("made")
    target = allowed / "made"
    shutil.move(adapters / "made" / "1", target)
    (adapters / "made").rmdir()
    return target


def load(client: TestClient, name: str, path: object, **fields: object) -> Any:
    body = {"lora_name": name, "lora_path": str(path)} | fields
    return client.post("/v1/load_lora_adapter", json=body)


def unload(client: TestClient, name: str) -> Any:
    return client.post("/v1/unload_lora_adapter", json={"lora_name": name, "lora_int_id": 1})


def ask(client: TestClient, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    return client.post("/v1/chat/completions", json=body).status_code


def test_own_adapter_is_loaded_and_unloaded_as_vllm_says_it(
    client: TestClient, engine: ScriptedEngine, add_adapter: Add, adapters: Path
):
    folder = add_adapter("中医")
    loaded = load(client, "中医", folder)
    assert loaded.status_code == 200
    assert loaded.headers["content-type"] == "text/plain; charset=utf-8"
    assert loaded.text.startswith(LOADED.format("中医"))
    assert "Matched modules: layers.0.self_attn.q_proj\nUnmatched modules: none\n" in loaded.text
    assert len(engine.adapters) == 1
    unloaded = unload(client, "中医")
    assert unloaded.text.startswith("Success: LoRA adapter '中医' removed successfully.\n")
    assert "1000 bytes" in unloaded.text
    assert engine.adapters == {}
    assert ask(client, "中医") == ask(client, "中医@1") == 404
    assert folder.is_dir()
    assert unload(client, "中医").status_code == 404
    assert load(client, "中医", "中医").status_code == 200
    assert ask(client, "中医") == 200


def test_version_that_is_loaded_is_what_the_name_means(client: TestClient, add_adapter: Add):
    add_adapter("tcm", "1")
    add_adapter("tcm", "2")
    answer = client.post(
        "/v1/load_lora_adapter",
        json={"lora_name": "tcm", "lora_path": "tcm/1"},
        headers={"Accept": "application/json"},
    ).json()
    assert (answer["id"], answer["promoted"]) == ("tcm@1", True)
    assert client.get("/v1/models/tcm").json()["version"] == "1"


def test_name_is_loaded_twice_only_in_place(client: TestClient, add_adapter: Add):
    add_adapter("tcm")
    assert load(client, "tcm", "tcm").status_code == 200
    again = load(client, "tcm", "tcm")
    assert again.status_code == 400
    assert "has already been loaded" in again.json()["error"]["message"]
    assert load(client, "tcm", "tcm", load_inplace=True).status_code == 200
    client.delete("/v1/models/tcm")
    add_adapter("tcm")
    assert load(client, "tcm", "tcm").status_code == 200


def test_folder_that_is_allowed_becomes_a_version_once(
    client: TestClient, outside: Path, adapters: Path
):
    (outside / "optimizer.pt").write_bytes(b"not for a server")
    assert load(client, "tcm", outside).text.startswith(LOADED.format("tcm"))
    assert ask(client, "tcm") == 200
    assert not (adapters / "tcm" / "1" / "optimizer.pt").exists()
    unload(client, "tcm")
    assert load(client, "tcm", outside).status_code == 200
    assert list_versions(adapters, "tcm") == ["1"]
    (outside / "README.md").write_text("changed")
    assert load(client, "tcm", outside, load_inplace=True).status_code == 200
    assert list_versions(adapters, "tcm") == ["1", "2"]


def test_damaged_folder_is_refused_and_the_old_version_stays(
    client: TestClient, outside: Path, adapters: Path
):
    load(client, "tcm", outside)
    (outside / WEIGHTS_FILE).write_bytes(b"damaged")
    refused = load(client, "tcm", outside, load_inplace=True)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "adapter_refused"
    assert list_versions(adapters, "tcm") == ["1"]
    assert [path.name for path in adapters.iterdir()] == ["tcm"]
    assert ask(client, "tcm") == 200


def test_other_folders_are_forbidden_whether_they_exist_or_not(
    client: TestClient, outside: Path, allowed: Path, tmp_path: Path
):
    (tmp_path / "elsewhere").mkdir()
    (allowed / "link").symlink_to(tmp_path / "elsewhere")
    for path in ("/etc", "/nowhere", "../elsewhere", "..", ".", allowed, allowed / "link"):
        refused = load(client, "tcm", path)
        assert refused.status_code == 403, path
        assert "lora_folders" in refused.json()["error"]["message"]
        assert refused.json()["error"]["param"] == "lora_path"
    (outside / CONFIG_FILE).unlink()
    (outside / CONFIG_FILE).symlink_to("/etc/hostname")
    assert load(client, "tcm", outside).status_code == 403


def test_files_that_the_server_may_not_read_are_named(
    client: TestClient, outside: Path, monkeypatch: pytest.MonkeyPatch
):
    real_open = Path.open

    def open_own(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.is_relative_to(outside):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_own)  # rights do not bind root
    response = load(client, "new", outside)
    assert response.status_code == 404
    assert "may not read" in response.json()["error"]["message"]


def test_missing_adapters_and_wrong_names_are_refused(
    client: TestClient, outside: Path, allowed: Path, add_adapter: Add
):
    add_adapter("tcm")
    assert load(client, "new", allowed / "nothing").status_code == 404
    assert load(client, "new", "new").status_code == 404
    assert load(client, "tcm", "tcm/7").status_code == 404
    for name, path in [
        ("other", "tcm"),
        ("tcm", "tcm/1/adapter_model.safetensors"),
        ("../x", outside),
        ("base", outside),
        ("tcm@1", outside),
        ("", outside),
        ("tcm", ""),
        ("tcm", "a\0b"),
    ]:
        assert load(client, name, path).status_code == 400, (name, path)
    assert load(client, "tcm", "tcm", pinned=True).status_code == 400


def test_adapter_that_matches_nothing_is_refused_and_stays_out_of_service(
    open_client: Callable[[Engine], TestClient], add_adapter: Add
):
    add_adapter("tcm")
    client = open_client(ScriptedEngine(modules=()))
    unload(client, "tcm")
    assert load(client, "tcm", "tcm").status_code == 400
    assert ask(client, "tcm") == 404


def test_llama_servers_list_has_names_and_its_scales_are_refused(
    client: TestClient, add_adapter: Add, adapters: Path
):
    add_adapter("tcm")
    answer = client.get("/lora-adapters")
    assert answer.json() == [{"id": "tcm", "path": "tcm", "scale": 0.0}]
    refused = client.post("/lora-adapters", json=[{"id": 0, "scale": 0.5}])
    assert refused.status_code == 400
    assert '"lora"' in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", ["a" * 300, "中" * 100, "a/" * 5_000, "a\0b"])
def test_path_that_no_file_can_have_is_refused(client: TestClient, path: str):
    response = load(client, "tcm", path)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "lora_path"
