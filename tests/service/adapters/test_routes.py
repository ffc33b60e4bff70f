"""/v1/adapters and DELETE /v1/models: uploads, promotion, removal."""

import io
import json
import resource
import stat
import struct
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydantic import ByteSize
from safetensors.numpy import save

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.versions import list_versions, promoted_version
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from serving.engine import AdapterRef, Engine, LoadReport
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

Add = Callable[..., Path]
CONFIG = json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}).encode()
WEIGHTS = save({"it": np.zeros(8, np.uint8)})
FILES = {CONFIG_FILE: CONFIG, WEIGHTS_FILE: WEIGHTS}


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def client(engine: ScriptedEngine, open_client: Callable[[Engine], TestClient]) -> TestClient:
    return open_client(engine)


def as_parts(files: dict[str, bytes]) -> list[Any]:
    return [("file", (name, content)) for name, content in files.items()]


def zipped(files: dict[str, bytes], folder: str = "", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return buffer.getvalue()


def send_zip(client: TestClient, content: bytes, name: str = "tcm") -> Any:
    return client.post(
        f"/v1/adapters?name={name}", content=content, headers={"Content-Type": "application/zip"}
    )


def assert_refused(response: Any, adapters: Path, status: int = 400) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert str(adapters) not in error["message"]
    assert not adapters.exists() or list(adapters.iterdir()) == []
    return error["message"]


def test_uploaded_files_are_a_new_version_in_memory(
    client: TestClient, engine: ScriptedEngine, adapters: Path
):
    response = client.post("/v1/adapters", data={"name": "中医"}, files=as_parts(FILES))
    assert response.status_code == 201, response.text
    assert response.json() == {
        "id": "中医@1",
        "object": "adapter.version",
        "name": "中医",
        "version": "1",
        "promoted": True,
        "matched": ["layers.0.self_attn.q_proj"],
        "unmatched": [],
        "num_bytes": 1000,
    }
    assert len(engine.adapters) == 1
    assert sorted(path.name for path in (adapters / "中医" / "1").iterdir()) == sorted(FILES)
    assert client.get("/v1/models/中医").json()["version"] == "1"
    assert client.get("/v1/adapters/中医").json()["in_memory"] is True
    assert [path.name for path in adapters.iterdir()] == ["中医"]


@pytest.mark.parametrize("folder", ["", "my-adapter/"])
def test_zip_is_taken_alone_and_as_a_part(client: TestClient, adapters: Path, folder: str):
    content = zipped(FILES, folder)
    assert send_zip(client, content).json()["id"] == "tcm@1"
    parts = [("file", ("adapter.zip", content))]
    body = {"name": "tcm", "promote": "false"}
    kept_back = client.post("/v1/adapters", data=body, files=parts).json()
    assert (kept_back["id"], kept_back["promoted"]) == ("tcm@2", False)
    assert promoted_version(adapters, "tcm") == "1"
    assert (adapters / "tcm" / "2" / WEIGHTS_FILE).read_bytes() == WEIGHTS
    assert not list(adapters.rglob("*.zip"))


def test_a_damaged_card_is_told_on_one_line_and_by_the_name_asked_for(client: TestClient):
    parts = as_parts(FILES | {"lora-chat.json": b'{"name": 1}'})
    error = client.post("/v1/adapters?name=tcm", files=parts).json()["error"]
    assert (error["param"], error["code"]) == ("file", "adapter_refused")
    assert error["message"].startswith("tcm/lora-chat.json is damaged: ")
    assert "name: should be a text; " in error["message"]
    for unwanted in ("\n", "pydantic", "@new", "/new"):
        assert unwanted not in error["message"]


def test_a_kind_that_cannot_be_served_is_told_by_the_name_asked_for(client: TestClient):
    dora = json.dumps({**json.loads(CONFIG), "use_dora": True}).encode()
    parts = as_parts(FILES | {CONFIG_FILE: dora})
    error = client.post("/v1/adapters?name=tcm", files=parts).json()["error"]
    assert error["message"].startswith("The adapter tcm cannot share a base model: it uses DoRA")


@pytest.mark.parametrize(
    "files",
    [
        {CONFIG_FILE: CONFIG},
        FILES | {"pytorch_model.bin": b"x"},
        FILES | {"../" + CONFIG_FILE: CONFIG},
        FILES | {"/etc/passwd": b"x"},
        FILES | {"a\\README.md": b"x"},
        FILES | {".removed-1": b"x"},
        FILES | {WEIGHTS_FILE: b"\x80\x04pickle"},
        FILES | {WEIGHTS_FILE: WEIGHTS[:-1]},
        FILES | {CONFIG_FILE: b"{"},
        FILES | {CONFIG_FILE: json.dumps(json.loads(CONFIG) | {"use_dora": True}).encode()},
        FILES | {"lora-chat.json": b"{}"},
        FILES | {"chat_template.jinja": b"\xff"},
    ],
)
def test_what_is_no_adapter_is_refused_and_leaves_nothing(
    client: TestClient, adapters: Path, files: dict[str, bytes]
):
    parts = as_parts(files)
    assert_refused(client.post("/v1/adapters?name=tcm", files=parts), adapters)
    assert_refused(send_zip(client, zipped(files)), adapters)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a:b", "a@1", "-a", "base", "x" * 65])
def test_names_that_no_adapter_can_have_are_refused(client: TestClient, adapters: Path, name: str):
    response = client.post("/v1/adapters", data={"name": name}, files=as_parts(FILES))
    assert_refused(response, adapters)
    response = client.post("/v1/adapters", params={"name": name}, files=as_parts(FILES))
    assert "cannot be an adapter's name" in assert_refused(response, adapters)


def test_fields_are_refused_that_are_missing_unknown_or_given_twice(
    client: TestClient, adapters: Path
):
    def post(url: str, **fields: str) -> Any:
        return client.post(url, data=fields, files=as_parts(FILES))

    assert "?name=" in assert_refused(post("/v1/adapters"), adapters)
    assert_refused(post("/v1/adapters?name=a", name="b"), adapters)
    assert_refused(post("/v1/adapters?name=a", colour="b"), adapters)
    assert_refused(post("/v1/adapters?name=a", promote="perhaps"), adapters)
    twice = [*as_parts(FILES), ("file", (CONFIG_FILE, CONFIG))]
    assert "twice" in assert_refused(client.post("/v1/adapters?name=a", files=twice), adapters)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b"{}"),
        ("", b""),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"nothing of the kind"),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data; name=x"),
        ("multipart/form-data; boundary=" + "a" * 300, b""),
    ],
)
def test_other_bodies_are_refused(client: TestClient, adapters: Path, kind: str, content: bytes):
    response = client.post("/v1/adapters?name=tcm", content=content, headers={"Content-Type": kind})
    assert_refused(response, adapters)


def link() -> bytes:
    entry = zipfile.ZipInfo(WEIGHTS_FILE)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(CONFIG_FILE, CONFIG)
        archive.writestr(entry, "/etc/passwd")
    return buffer.getvalue()


def encrypted() -> bytes:
    content = bytearray(zipped(FILES))
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(CONFIG_FILE, CONFIG)
        archive.writestr("README.md", "one")
        archive.writestr("readme.md", "two")
    return buffer.getvalue().replace(b"readme.md", b"README.md")


def understated() -> bytes:
    """Says that it unpacks to one byte."""
    content = bytearray(zipped({CONFIG_FILE: CONFIG, WEIGHTS_FILE: bytes(1 << 20)}))
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<L", 1)
    return bytes(content)


def with_many_entries() -> bytes:
    return zipped({f"{index}.txt": b"x" for index in range(100)})


def with_offset_before_its_beginning() -> bytes:
    content = bytearray(zipped(FILES))
    at = content.rindex(b"PK\x05\x06") + 16
    content[at : at + 4] = struct.pack("<L", 0xFFFFFFFE)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (link(), "link or a device"),
        (encrypted(), "encrypted"),
        (twice(), "twice"),
        (understated(), "damaged|another size"),
        (with_many_entries(), "more than 16 entries"),
        (with_offset_before_its_beginning(), "damaged"),
        (zipped(FILES, "../"), "leads elsewhere"),
        (zipped(FILES, "/"), "leads elsewhere"),
        (zipped(FILES, "a/b/"), "second folder"),
        (zipped(FILES, "a\\"), "no plain file name"),
        (zipped(FILES | {"other/README.md": b"x"}), "several folders"),
        (zipped(FILES, method=zipfile.ZIP_LZMA), "other than deflate"),
        (zipped({CONFIG_FILE: CONFIG, WEIGHTS_FILE: bytes(64 << 20)}), "unpacks"),
        (zipped(FILES)[:-1], "is no .zip file"),
        (zipped(FILES)[: len(zipped(FILES)) // 2], "is no .zip file"),
        (b"", "is no .zip file"),
        (b"PK\x05\x06" + bytes(18), "lacks"),
    ],
)
def test_hostile_archives_are_refused_and_leave_nothing(
    client: TestClient, adapters: Path, content: bytes, message: str
):
    import re

    assert re.search(message, assert_refused(send_zip(client, content), adapters))


def test_upload_over_the_limit_is_refused(models_here: Models, adapters: Path):
    settings = ServiceSettings(upload_limit=ByteSize(100_000))
    with TestClient(build_app(ScriptedEngine(), models_here, settings), base_url=URL) as client:
        large = {WEIGHTS_FILE: bytes(100_001)}
        assert_refused(client.post("/v1/adapters?name=tcm", files=as_parts(large)), adapters, 413)
        packed = zipped({name: bytes(60_000) for name in (WEIGHTS_FILE, "README.md")})
        assert "upload_limit" in assert_refused(send_zip(client, packed), adapters, 413)
        notes = zipped(FILES | {"README.md": bytes(2 << 20)}, method=zipfile.ZIP_STORED)
        assert_refused(send_zip(client, notes), adapters, 413)
        assert client.post("/v1/adapters?name=tcm", files=as_parts(FILES)).status_code == 201


@contextmanager
def no_file_larger_than(num_bytes: int) -> Generator[None]:
    """The next best to a full disk: the system refuses to write on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_said_and_leaves_nothing(client: TestClient, adapters: Path):
    files = {CONFIG_FILE: CONFIG, WEIGHTS_FILE: bytes(8 << 20)}
    with no_file_larger_than(1 << 20):
        response = client.post("/v1/adapters?name=tcm", files=as_parts(files))
    assert "no room" in assert_refused(response, adapters, 507)
    assert client.post("/v1/adapters?name=tcm", files=as_parts(FILES)).status_code == 201


def test_adapter_that_does_not_fit_the_base_is_refused_and_the_old_one_stays(
    open_client: Callable[[Engine], TestClient], add_adapter: Add, adapters: Path
):
    add_adapter("tcm")
    client = open_client(ScriptedEngine(modules=()))
    response = client.post("/v1/adapters?name=tcm", files=as_parts(FILES))
    assert response.status_code == 400
    assert "does not fit this base" in response.json()["error"]["message"]
    assert [path.name for path in adapters.iterdir()] == ["tcm"]
    assert list_versions(adapters, "tcm") == ["1"]


def test_adapters_are_listed_with_cards_and_versions_and_without_folders(
    client: TestClient, add_adapter: Add, adapters: Path
):
    add_adapter("tcm", "1", system="You are a doctor.")
    add_adapter("tcm", "2")
    (adapters / "tcm" / "2" / WEIGHTS_FILE).write_bytes(b"damaged")
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    response = client.get("/v1/adapters")
    (tcm,) = response.json()["data"]
    assert (tcm["id"], tcm["promoted"], tcm["in_memory"]) == ("tcm", "1", False)
    assert tcm["card"]["system"] == "You are a doctor."
    assert "held_out" not in tcm["card"]  # hashes of conversations
    first, second = tcm["versions"]
    assert (first["version"], first["problem"]) == ("1", None)
    assert second["problem"].startswith("tcm@2/adapter_model.safetensors is no safetensors file")
    assert str(adapters) not in response.text
    one = client.get("/v1/adapters/tcm").json()
    assert [each["card"] for each in one["versions"]] == [tcm["card"], None]
    assert [each["card"] for each in tcm["versions"]] == [None, None]
    one["versions"][0]["card"] = None
    assert one == tcm


def test_versions_are_promoted_and_rolled_back(client: TestClient, add_adapter: Add):
    for version in ("1", "2", "3"):
        add_adapter("tcm", version)
    promoted = client.post("/v1/adapters/tcm/promote", json={"version": "2"})
    assert promoted.json()["promoted"] == "2"
    assert client.get("/v1/models/tcm").json()["version"] == "2"
    assert client.post("/v1/adapters/tcm/rollback").json()["promoted"] == "1"
    oldest = client.post("/v1/adapters/tcm/rollback")
    assert oldest.status_code == 400
    assert "oldest version" in oldest.json()["error"]["message"]


def test_damaged_version_is_rolled_back_from(client: TestClient, add_adapter: Add):
    add_adapter("tcm", "1")
    (add_adapter("tcm", "2") / WEIGHTS_FILE).write_bytes(b"damaged")
    assert client.get("/v1/models/tcm").status_code == 400
    assert client.post("/v1/adapters/tcm/rollback").json()["promoted"] == "1"


@pytest.mark.parametrize("name", ["nobody", "..", "a@1", "%2e%2e"])
def test_unknown_adapters_are_not_found(client: TestClient, add_adapter: Add, name: str):
    add_adapter("tcm")
    answers = [
        client.get(f"/v1/adapters/{name}"),
        client.post(f"/v1/adapters/{name}/promote", json={"version": "1"}),
        client.post(f"/v1/adapters/{name}/rollback"),
        client.delete(f"/v1/adapters/{name}"),
        client.delete(f"/v1/models/{name}"),
        client.post("/v1/adapters/tcm/promote", json={"version": "../tcm/1"}),
    ]
    assert {answer.status_code for answer in answers} <= {404, 405}
    assert client.get("/v1/models/tcm").status_code == 200


@pytest.mark.parametrize("path", ["models", "adapters"])
def test_deletion_is_for_good_and_frees_memory(
    client: TestClient, engine: ScriptedEngine, add_adapter: Add, adapters: Path, path: str
):
    client.post("/v1/adapters?name=tcm", files=as_parts(FILES))
    add_adapter("tcm", "2")
    assert len(engine.adapters) == 1
    answer = client.delete(f"/v1/{path}/tcm@1").json()
    assert answer == {"id": "tcm@1", "object": path[:-1], "deleted": True}
    assert engine.adapters == {}
    assert list_versions(adapters, "tcm") == ["2"]
    assert client.delete(f"/v1/{path}/tcm").json()["deleted"] is True
    assert client.get("/v1/models/tcm").status_code == 404
    assert not adapters.exists() or list(adapters.iterdir()) == []


def test_servers_that_compute_have_a_version_before_it_is_promoted(
    open_client: Callable[[Engine], TestClient], add_adapter: Add, adapters: Path
):
    add_adapter("tcm")
    add_adapter("tcm", "2")
    versions: list[str] = []

    class Loading(ScriptedEngine):
        async def load(self, adapter: AdapterRef) -> LoadReport:
            versions.append(f"{adapter} while {promoted_version(adapters, adapter.name)} answers")
            return await super().load(adapter)

    client = open_client(Loading(servers=("http://gpu-1:8001",)))
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    versions.clear()
    assert client.post("/v1/adapters/tcm/promote", json={"version": "2"}).status_code == 200
    assert versions[0] == "tcm@2 while 1 answers"
    versions.clear()
    client.post("/v1/adapters/tcm/share", json={"version": "1", "percent": 10})
    assert versions[0] == "tcm@1 while 2 answers"


def test_a_version_that_no_server_takes_is_not_promoted(
    open_client: Callable[[Engine], TestClient], add_adapter: Add, adapters: Path
):
    add_adapter("tcm")
    add_adapter("tcm", "2")
    client = open_client(ScriptedEngine(servers=("http://gpu-1:8001",), modules=()))
    promoted = promoted_version(adapters, "tcm")
    refused = client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    assert refused.status_code == 400
    assert promoted_version(adapters, "tcm") == promoted


def test_promoted_version_that_is_deleted_is_followed_by_the_one_before_it(
    client: TestClient, add_adapter: Add
):
    for version in ("1", "2", "3"):
        add_adapter("tcm", version)
    client.post("/v1/adapters/tcm/promote", json={"version": "2"})
    client.delete("/v1/models/tcm@2")
    assert client.get("/v1/models/tcm").json()["version"] == "1"
    client.delete("/v1/models/tcm@1")  # the oldest: then the newest other
    assert client.get("/v1/models/tcm").json()["version"] == "3"


def test_base_and_blends_cannot_be_deleted(client: TestClient, add_adapter: Add):
    add_adapter("tcm")
    assert client.delete("/v1/models/base").status_code == 400
    assert client.delete("/v1/models/tcm:0.5").status_code == 404
    assert client.get("/v1/models/tcm").status_code == 200


def test_a_version_is_given_a_share_and_it_ends(client: TestClient, add_adapter: Add):
    add_adapter("tcm")
    add_adapter("tcm", "2")
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    given = client.post("/v1/adapters/tcm/share", json={"version": "2", "percent": 10}).json()
    assert (given["promoted"], given["share"]) == ("1", {"version": "2", "percent": 10})
    assert client.get("/v1/adapters/tcm").json()["share"] == given["share"]
    ended = client.post("/v1/adapters/tcm/share", json={"percent": 0}).json()
    assert (ended["promoted"], ended["share"]) == ("1", None)


@pytest.mark.parametrize(
    ("body", "param", "status"),
    [
        ({"percent": 10}, "version", 400),
        ({"version": "1", "percent": 10}, "version", 400),
        ({"version": "7", "percent": 10}, "version", 404),
        ({"version": "2", "percent": 100}, "percent", 400),
        ({"version": "2", "percent": -1}, "percent", 400),
        ({"version": "2", "percent": 0.5}, "percent", 400),
        ({"version": "2", "percent": True}, "percent", 400),
        ({"version": "2", "percent": 10, "until": "Monday"}, "until", 400),
        ({"version": "2"}, "percent", 400),
    ],
)
def test_what_is_no_share_is_refused(
    client: TestClient, add_adapter: Add, body: dict[str, Any], param: str, status: int
):
    add_adapter("tcm")
    add_adapter("tcm", "2")
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    response = client.post("/v1/adapters/tcm/share", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
    assert client.get("/v1/adapters/tcm").json()["share"] is None


def test_requests_are_shared_out_and_a_conversation_stays(client: TestClient, add_adapter: Add):
    add_adapter("tcm")
    add_adapter("tcm", "2")
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    client.post("/v1/adapters/tcm/share", json={"version": "2", "percent": 40})

    def answered_by(path: str, **asked: Any) -> str:
        response = client.post(path, json={"model": "tcm", **asked})
        assert response.status_code == 200, response.text
        return response.json()["system_fingerprint"]

    found: set[str] = set()
    for number in range(20):
        first = [{"role": "user", "content": f"question {number}"}]
        more = [{"role": "assistant", "content": "Rest."}, {"role": "user", "content": "And then?"}]
        by = answered_by("/v1/chat/completions", messages=first)
        assert answered_by("/v1/chat/completions", messages=[*first, *more]) == by
        found.add(by)
    assert found == {"tcm@1:1", "tcm@2:1"}
    texts = {answered_by("/v1/completions", prompt=f"text {number}") for number in range(20)}
    assert texts == {"tcm@1:1", "tcm@2:1"}
    client.post("/v1/adapters/tcm/share", json={"percent": 0})
    messages = [{"role": "user", "content": "question 1"}]
    assert answered_by("/v1/chat/completions", messages=messages) == "tcm@1:1"
