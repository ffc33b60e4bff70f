"""GET …/export: a version as one .zip, which another server takes as it is."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from finetune.adapters.files import CONFIG_FILE, REPORT_FILE, WEIGHTS_FILE
from serving.engine import Engine
from serving.scripted import ScriptedEngine

Add = Callable[..., Path]
LARGE = 5 << 19  # [bytes]: sent in more than one piece


@pytest.fixture
def client(open_client: Callable[[Engine], TestClient]) -> TestClient:
    return open_client(ScriptedEngine())


def url(name: str, version: str) -> str:
    return f"/v1/adapters/{name}/versions/{version}/export"


def test_what_is_exported_is_taken_as_it_is(client: TestClient, add_adapter: Add, adapters: Path):
    folder = add_adapter("中医", "2", template="{{ messages }}")
    (folder / REPORT_FILE).write_text("quotes the data")
    (folder / "README.md").write_bytes(bytes(LARGE))
    exported = client.get(url("中医", "2"))
    assert exported.headers["content-type"] == "application/zip"
    disposition = exported.headers["content-disposition"]
    assert disposition == "attachment; filename*=UTF-8''%E4%B8%AD%E5%8C%BB-2.zip"
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        held = {Path(name).name: archive.read(name) for name in archive.namelist()}
        assert {Path(name).parent.name for name in archive.namelist()} == {"中医-2"}
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert held == {name: content for name, content in kept.items() if name != REPORT_FILE}


def test_an_export_is_uploaded_to_another_name(
    client: TestClient, add_adapter: Add, adapters: Path
):
    folder = add_adapter("tcm")
    content = client.get(url("tcm", "1")).content
    headers = {"Content-Type": "application/zip"}
    taken = client.post("/v1/adapters?name=copy", content=content, headers=headers)
    assert taken.json()["id"] == "copy@1", taken.text
    for path in folder.iterdir():
        assert (adapters / "copy" / "1" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("damaged", [CONFIG_FILE, WEIGHTS_FILE])
def test_changed_files_are_not_handed_on(client: TestClient, add_adapter: Add, damaged: str):
    path = add_adapter("tcm") / damaged
    path.write_bytes(path.read_bytes() + b" ")
    response = client.get(url("tcm", "1"))
    assert response.status_code == 400
    assert "tcm@1" in response.json()["error"]["message"]


@pytest.mark.parametrize(("name", "version"), [("tcm", "2"), ("nobody", "1"), ("tcm@1", "1")])
def test_what_is_no_version_is_not_found(
    client: TestClient, add_adapter: Add, name: str, version: str
):
    add_adapter("tcm")
    assert client.get(url(name, version)).status_code == 404
