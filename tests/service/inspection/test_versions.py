"""Reports and verification of adapter versions, as clients ask for them."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from finetune.adapters.files import CARD_FILE, CONFIG_FILE, REPORT_FILE, WEIGHTS_FILE
from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from serving.verification import CHECKS
from tests.service.conftest import URL

Add = Callable[..., Path]
PAGE = '<!doctype html><style>b {}</style><b>头痛？</b><script>alert("no")</script>'


@pytest.fixture
def client(models_here: Models, own_state: State) -> Generator[TestClient]:
    app = build_app(ScriptedEngine(), models_here, ServiceSettings(), state=own_state)
    with ExitStack() as stack:
        yield stack.enter_context(TestClient(app, base_url=URL, raise_server_exceptions=False))


@pytest.fixture
def key(own_state: State) -> Callable[..., dict[str, str]]:
    """The headers of a new key with the given scope; then any fields of its wish."""

    def make(scope: str, **fields: Any) -> dict[str, str]:
        name = f"{scope}-{len(fields)}"
        _, secret = Keys(own_state).create(KeyWish(name, scopes=[scope], **fields))
        return {"Authorization": f"Bearer {secret}"}

    return make


def url(what: str, name: str = "tcm", version: str = "2") -> str:
    return f"/v1/adapters/{name}/versions/{version}/{what}"


def with_report(folder: Path) -> Path:
    (folder / REPORT_FILE).write_text(PAGE, encoding="utf-8")
    return folder


def statuses(client: TestClient, version: str = "2") -> dict[str, str]:
    answer = client.get(url("verify", version=version)).json()
    assert answer["passed"] == all(each["status"] == "ok" for each in answer["checks"])
    return {each["check"]: each["status"] for each in answer["checks"]}


def test_a_report_is_shown_as_it_is_and_may_do_nothing(client: TestClient, add_adapter: Add):
    add_adapter("tcm", "1")
    with_report(add_adapter("tcm", "2"))
    response = client.get(url("report"))
    assert response.text == PAGE
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert not any(word.startswith("script-src") for word in policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_a_report_can_be_had_without_its_style(client: TestClient, add_adapter: Add):
    with_report(add_adapter("tcm", "2"))
    plain = client.get(url("report"), params={"style": False})
    assert plain.text == PAGE.replace("<style>b {}</style>", "")
    assert "sandbox" in plain.headers["content-security-policy"]


def test_a_report_is_shown_in_the_language_asked_for_where_there_is_one(
    client: TestClient, add_adapter: Add
):
    folder = with_report(add_adapter("tcm", "2"))
    (folder / "report.zh.html").write_text("<p>报告</p>", encoding="utf-8")
    assert client.get(url("report"), headers={"Accept-Language": "zh-CN"}).text == "<p>报告</p>"
    assert client.get(url("report")).text == PAGE


def test_a_damaged_versions_report_can_be_read(client: TestClient, add_adapter: Add):
    folder = with_report(add_adapter("tcm", "2"))
    (folder / WEIGHTS_FILE).unlink()
    assert client.get(url("report")).text == PAGE


def test_a_version_without_a_report_says_why(client: TestClient, add_adapter: Add):
    folder = add_adapter("tcm", "2")
    for make in (lambda: None, (folder / REPORT_FILE).mkdir):
        make()
        response = client.get(url("report"))
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (404, "report_not_found")
        assert error["message"].startswith("tcm@2 has no report")


@pytest.mark.parametrize("what", ["report", "verify"])
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nobody", "1"),
        ("tcm", "3"),
        ("tcm", "02"),
        ("tcm", "２"),
        ("tcm", "promoted"),
        ("tcm@2", "2"),
        ("tcm", "2@2"),
        ("tcm:1", "2"),
        ("%2e%2e", "2"),
        ("tcm", "%2e%2e"),
        ("..%2Ftcm", "2"),
        ("tcm", "2%2F..%2F2"),
        ("tcm%00", "2"),
        ("x" * 500, "2"),
        ("tcm", "9" * 5000),
    ],
)
def test_what_is_no_version_is_not_found(
    client: TestClient, add_adapter: Add, adapters: Path, what: str, name: str, version: str
):
    with_report(add_adapter("tcm", "2"))
    (adapters.parent / "2").mkdir()
    with_report(adapters.parent / "2")
    response = client.get(url(what, name, version))
    assert response.status_code in (400, 404)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert str(adapters) not in response.text


@pytest.mark.parametrize("what", ["report", "verify"])
@pytest.mark.parametrize("linked", [".", REPORT_FILE, CARD_FILE])
def test_what_links_lead_to_elsewhere_is_not_read(
    client: TestClient,
    add_adapter: Add,
    tmp_path_factory: pytest.TempPathFactory,
    what: str,
    linked: str,
):
    folder = with_report(add_adapter("tcm", "2"))
    outside = (folder / linked).rename(tmp_path_factory.mktemp("outside") / "it")
    (folder / linked).symlink_to(outside)
    response = client.get(url(what))
    assert response.status_code == 400
    assert "leads out of adapters" in response.json()["error"]["message"]
    assert str(outside) not in response.text


def test_a_sound_version_passes_what_can_be_checked_beside_answers(
    client: TestClient, add_adapter: Add
):
    add_adapter("tcm", "1")
    add_adapter("tcm", "2", template="{{ messages }}")
    answer = client.get(url("verify")).json()
    assert (answer["id"], answer["object"], answer["passed"]) == (
        "tcm@2",
        "adapter.verification",
        True,
    )
    checks = [each["check"] for each in answer["checks"]]
    assert checks == ["files", "card", "hashes", "kind", "template", "served"]
    assert sorted(checks + answer["left_out"]) == sorted(check.name for check in CHECKS)
    last = answer["checks"][-1]
    assert last["message"].startswith("as tcm@2, sha256 ")
    assert last["fix"] is None


def test_a_changed_version_fails_with_what_is_wrong_and_how_to_mend_it(
    client: TestClient, add_adapter: Add, adapters: Path
):
    add_adapter("tcm", "1")
    folder = add_adapter("tcm", "2")
    config = json.loads((folder / CONFIG_FILE).read_text()) | {"use_dora": True}
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    assert statuses(client) == {
        "files": "ok",
        "card": "ok",
        "hashes": "failed",
        "kind": "failed",
        "template": "ok",
        "served": "skipped",
    }
    answer = client.get(url("verify"))
    kind = answer.json()["checks"][3]
    assert kind["message"].startswith("The adapter tcm@2 cannot share a base model: it uses DoRA")
    assert kind["fix"] == "Train it as plain LoRA or rsLoRA."
    assert str(adapters) not in answer.text
    assert statuses(client, "1")["served"] == "ok"


@pytest.mark.parametrize("name", [CARD_FILE, CONFIG_FILE, WEIGHTS_FILE])
def test_missing_and_damaged_files_are_told_by_the_versions_name(
    client: TestClient, add_adapter: Add, adapters: Path, name: str
):
    folder = add_adapter("tcm", "2")
    (folder / name).write_bytes(b"{")
    damaged = client.get(url("verify"))
    (folder / name).unlink()
    missing = client.get(url("verify"))
    for answer in (damaged, missing):
        assert answer.status_code == 200
        assert str(adapters) not in answer.text
    assert damaged.json()["passed"] is False


def test_reports_need_a_key_that_trains_and_verification_one_that_chats(
    client: TestClient, add_adapter: Add, key: Callable[..., dict[str, str]]
):
    with_report(add_adapter("tcm", "2"))
    chats, trains, admin = key("chat"), key("train"), key("admin")
    strangers = key("train", adapters=["style"]), key("chat", adapters=["style"])
    assert client.get(url("report")).status_code == 401
    assert client.get(url("report"), headers=chats).status_code == 403
    assert client.get(url("report"), headers=trains).text == PAGE
    assert client.get(url("report"), headers=admin).text == PAGE
    assert client.get(url("verify"), headers=chats).json()["passed"] is True
    assert client.get(url("verify")).status_code == 401
    for what, stranger in (("report", strangers[0]), ("verify", strangers[1])):
        response = client.get(url(what), headers=stranger)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"


def test_what_is_found_is_told_in_the_readers_language(client: TestClient, add_adapter: Add):
    add_adapter("tcm", "2")
    answers = {
        language: client.get(url("verify"), headers={"Accept-Language": language})
        for language in ("zh-CN,zh;q=0.9", "en", "fr", "\x7f;;q=")
    }
    kinds = [answer.json()["checks"][3]["message"] for answer in answers.values()]
    assert kinds[0] != kinds[1] == kinds[2] == kinds[3] == "plain LoRA, rank 4"
    assert {answer.headers["vary"] for answer in answers.values()} == {"Accept-Language"}
