"""/v1/files: what is taken, what is refused and leaves nothing, and who sees whose."""

import gzip
import os
import socket
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ByteSize

from serving.engine import Engine
from serving.scripted import ScriptedEngine

DIALOGUE = "问：失眠怎么办？\n答：早睡。\n\n问：头痛呢？\n答：休息。\n".encode("gb18030")
FORM = {"purpose": "fine-tune"}
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}

Start = Callable[..., TestClient]
Key = Callable[..., dict[str, str]]


def send(
    client: TestClient,
    content: bytes = b"x",
    name: str = "a.exe",
    form: dict[str, Any] = FORM,
    headers: dict[str, str] | None = None,
) -> Any:
    """A name that no reader takes is refused without much work."""
    return client.post("/v1/files", data=form, files={"file": (name, content)}, headers=headers)


def left(home: Path) -> list[Path]:
    """Of what vanishes during the walk, nothing."""
    walked = os.walk(home / "files")
    return [Path(folder, name) for folder, *names in walked for name in chain(*names)]


def assert_refused(answer: Any, status: int, param: str | None, home: Path) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param
    assert left(home) == []
    return answer.json()["error"]["message"]


def test_a_dialogue_in_gb18030_is_ready_to_train_on(client: TestClient):
    file = send(client, DIALOGUE, "中医 问答.txt").json()
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(DIALOGUE),
        "created_at": file["created_at"],
        "filename": "中医 问答.txt",
        "purpose": "fine-tune",
        "status": "processed",
        "num_conversations": 2,
    }


def test_content_comes_back_as_it_was_and_is_no_page(client: TestClient):
    page = b"<script>alert(1)</script>"
    file = send(client, page, "x.html").json()
    answer = client.get(f"/v1/files/{file['id']}/content")
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''x.html"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        ("C:\\boot.ini", "boot.ini"),
        ("中" * 300 + ".exe", "中" * 65 + ".exe"),
        ('a";\r\nX-Injected: 1.exe', "a%22;%0D%0AX-Injected_ 1.exe"),
    ],
)
def test_a_name_is_no_path(client: TestClient, tmp_path: Path, name: str, kept: str):
    file = send(client, b"root:x:0", name).json()
    assert file["filename"].removesuffix(".txt") == kept
    inside = {path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == 8}
    assert {path.parent.parent for path in inside} == {tmp_path / "files"}
    answer = client.get(f"/v1/files/{file['id']}/content")
    assert answer.content == b"root:x:0"
    assert "x-injected" not in answer.headers


def test_a_name_may_stand_in_the_form_that_pythons_requests_writes(client: TestClient):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b\r\n'
        b"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%E4%B8%AD.exe\r\n\r\n"
        b"x\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/v1/files", content=body, headers=headers).json()["filename"] == "中.exe"


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "purpose"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "fine-tune-results"}, "purpose"),
        ({"purpose": "x" * 200}, "purpose"),
        (FORM | {"expires_after[seconds]": "3600"}, "expires_after[anchor]"),
        (FORM | {"expires_after[anchor]": "now"}, "expires_after[anchor]"),
        (FORM | {"expires_after[anchor]": "created_at"}, "expires_after[seconds]"),
        *(
            (
                FORM | {"expires_after[anchor]": "created_at", "expires_after[seconds]": seconds},
                "expires_after[seconds]",
            )
            for seconds in ("3599", "2592001", "-1", "1e4", "nan", "٣٦٠٠", "9" * 200, "")
        ),
        (FORM | {"x": "y" * 300}, "x"),
    ],
)
def test_a_wrong_field_is_named_and_leaves_nothing(
    client: TestClient, tmp_path: Path, form: dict[str, str], param: str
):
    assert_refused(send(client, form=form), 400, param, tmp_path)


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
def test_a_file_may_expire(client: TestClient, seconds: int):
    form = FORM | {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(seconds)}
    file = send(client, form=form).json()
    assert file["expires_at"] == file["created_at"] + seconds


def test_a_form_holds_one_file_in_its_field(client: TestClient, tmp_path: Path):
    two = [("file", ("a.exe", b"x")), ("file", ("b.exe", b"x"))]
    for files in (two, {"document": ("a.exe", b"x")}, {"x": ("", b"")}):
        answer = client.post("/v1/files", data=FORM, files=files)
        assert_refused(answer, 400, "file", tmp_path)


@pytest.mark.parametrize(
    ("content_type", "body", "param"),
    [
        ("application/json", b"{}", "Content-Type"),
        ("multipart/form-data", b"", "Content-Type"),
        ("multipart/form-data; boundary=", b"", "Content-Type"),
        ("multipart/form-data; boundary=b", b"", "file"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "purpose"),
        ("multipart/form-data; boundary=b", b"nonsense", "file"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.exe"\r\n\r\nhalf',
            "file",
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: " + b"x" * 10_000 + b"\r\n\r\n\r\n--b--\r\n",
            "file",
        ),
    ],
)
def test_a_broken_form_leaves_nothing(
    client: TestClient, tmp_path: Path, content_type: str, body: bytes, param: str
):
    answer = client.post("/v1/files", content=body, headers={"Content-Type": content_type})
    assert_refused(answer, 400, param, tmp_path)


def test_a_client_that_goes_away_leaves_nothing(
    serve_app: Callable[..., str],
    build_files: Callable[..., FastAPI],
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    host, port = serve_app(build_files()).removeprefix("http://").split(":")
    begun = (
        b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.exe"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(begun + b"x" * 1000)
        wait_until(lambda: any(path.name == "a.exe" for path in left(tmp_path)))
    wait_until(lambda: left(tmp_path) == [])


def test_a_file_beyond_the_limit_is_refused(start: Start, tmp_path: Path):
    client = start(file_limit=ByteSize(100))
    assert send(client, b"x" * 100).status_code == 200
    client.delete(f"/v1/files/{client.get('/v1/files').json()['first_id']}")
    assert "file_limit" in assert_refused(send(client, b"x" * 101), 413, "file", tmp_path)
    assert_refused(send(client, b"x" * (1 << 17)), 413, None, tmp_path)  # before it is read


def test_a_key_has_so_many_files_and_bytes(start: Start, key: Key):
    client = start(max_files=2)
    anna, ben = key("anna"), key("ben", max_file_bytes=10)
    assert [send(client, headers=anna).status_code for _ in range(3)] == [200, 200, 429]
    assert send(client, b"x" * 11, headers=ben).json()["error"]["code"] == "limit_reached"
    assert send(client, b"x" * 10, headers=ben).status_code == 200
    refused = send(client, headers=ben)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false")


def test_a_key_sees_its_own_files_alone(start: Start, key: Key):
    client = start()
    anna, ben, root = key("anna"), key("ben"), key("root", "admin")
    file_id = send(client, headers=anna).json()["id"]
    for method, path in (
        ("GET", ""),
        ("GET", "/content"),
        ("GET", "/check"),
        ("DELETE", ""),
    ):
        target = f"/v1/files/{file_id}{path}"
        answer = client.request(method, target, headers=ben)
        missing = client.request(method, target.replace(file_id, "file-1"), headers=ben)
        assert answer.status_code == missing.status_code == 404
        told, other = answer.json()["error"], missing.json()["error"]
        assert told | {"message": ""} == other | {"message": ""}
    assert client.get("/v1/files", headers=ben).json()["data"] == []
    assert client.get(f"/v1/files?after={file_id}", headers=ben).status_code == 404
    for headers in (anna, root):
        assert client.get("/v1/files", headers=headers).json()["first_id"] == file_id
        assert client.get(f"/v1/files/{file_id}", headers=headers).status_code == 200
    assert client.delete(f"/v1/files/{file_id}", headers=root).json()["deleted"] is True


def test_a_key_without_the_scope_may_do_nothing(start: Start, key: Key):
    client = start()
    chat = key("anna", "chat")
    for method, path in (
        ("POST", ""),
        ("GET", ""),
        ("GET", "/file-1"),
        ("DELETE", "/file-1"),
        ("GET", "/file-1/content"),
        ("GET", "/file-1/check"),
    ):
        assert client.request(method, f"/v1/files{path}", headers=chat).status_code == 403


def test_a_list_has_openais_shape_and_ranges(client: TestClient):
    assert client.get("/v1/files").json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    ids = [send(client).json()["id"] for _ in range(2)]
    page = client.get("/v1/files?limit=1&order=asc&purpose=fine-tune").json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[0], ids[0], True)
    assert client.get("/v1/files?purpose=fine-tune-results").json()["data"] == []
    for query, param in (
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=nan", "limit"),
        ("order=up", "order"),
    ):
        answer = client.get(f"/v1/files?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    answer = client.get("/v1/files?after=file-1")
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "after")


@pytest.mark.parametrize("file_id", ["..", "%2e%2e", "file-%00", "x" * 3000, "%ff", "中医"])
def test_an_id_that_is_none_is_not_found(client: TestClient, file_id: str):
    for path in ("", "/content", "/check"):
        assert client.get(f"/v1/files/{file_id}{path}").status_code in (400, 404)
    assert client.delete(f"/v1/files/{file_id}").status_code in (400, 404, 405)


def test_a_check_says_what_training_would_make_of_it(client: TestClient):
    file = send(client, DIALOGUE, "a.txt").json()
    checked = client.get(f"/v1/files/{file['id']}/check").json()
    assert checked["object"] == "file.check"
    assert (checked["id"], checked["status"]) == (file["id"], "processed")
    assert (checked["num_conversations"], checked["faults"]) == (2, [])
    first = checked["preview"][0]["messages"]
    assert [(each["content"], each["trained"]) for each in first] == [
        ("失眠怎么办？", False),
        ("早睡。", True),
    ]


def test_a_check_speaks_the_language_of_whoever_asks(client: TestClient):
    file = send(client, b'{"x": 1}\n', "a.jsonl").json()
    path = f"/v1/files/{file['id']}/check"
    english, chinese = client.get(path), client.get(path, headers=CHINESE)
    again = client.get(path)
    assert english.json() == again.json()
    assert english.headers["vary"] == "Accept-Language"
    [fault], [other] = english.json()["faults"], chinese.json()["faults"]
    assert fault["line"] == other["line"] == 1
    assert "expected" in fault["message"]
    assert "要求" in other["message"]
    uploaded = send(client, b'{"x": 1}\n', "a.jsonl", headers=CHINESE).json()
    assert "要求" in uploaded["status_details"]


def test_a_result_and_a_file_that_went_are_told_without_being_read(
    client: TestClient, tmp_path: Path
):
    file = send(client).json()
    [path] = (tmp_path / "files").rglob("a.exe")
    path.unlink()
    assert client.get(f"/v1/files/{file['id']}").json()["status"] == "error"
    checked = client.get(f"/v1/files/{file['id']}/check").json()
    assert (checked["status"], checked["num_faults"]) == ("error", 1)
    assert "missing" in checked["faults"][0]["message"]
    assert client.get(f"/v1/files/{file['id']}/content").status_code == 404
    assert client.delete(f"/v1/files/{file['id']}").status_code == 200


def test_a_bomb_is_an_error_and_the_server_goes_on(start: Start):
    client = start(check_memory=0.25)
    bomb = gzip.compress(bytes(512 << 20), 9)
    file = send(client, bomb, "bomb.jsonl.gz").json()
    assert file["status"] == "error"
    assert send(client, DIALOGUE, "a.txt").json()["status"] == "processed"


def test_a_full_disk_is_said_and_leaves_nothing(start: Start, small_disk: Path, tmp_path: Path):
    (tmp_path / "files").symlink_to(small_disk)
    client = start()
    refused = send(client, bytes(16 << 20))
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "disk_full")
    assert [*small_disk.iterdir()] == []
    assert send(client).status_code == 200


def test_a_server_that_keeps_nothing_says_so(open_client: Callable[[Engine], TestClient]):
    client = open_client(ScriptedEngine())
    for method, path in (("GET", ""), ("GET", "/file-1"), ("DELETE", "/file-1"), ("POST", "")):
        answer = client.request(method, f"/v1/files{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
