"""How the page is sent: to everybody, kept by browsers, and in nobody's frame."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

OpenClient = Callable[..., TestClient]
PARTS = ("/", "/web/app.js", "/web/style/base.css", "/web/icon.svg", "/web/lib/LICENSE-htm.txt")


@pytest.fixture
def client(open_client: OpenClient) -> TestClient:
    return open_client(ScriptedEngine())


@pytest.mark.parametrize("path", PARTS)
def test_a_part_is_sent_with_what_protects_it(client: TestClient, path: str):
    response = client.get(path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-cache"


def test_modules_styles_and_pictures_are_called_what_they_are(client: TestClient):
    kinds = [client.get(path).headers["content-type"].partition(";")[0] for path in PARTS]
    assert kinds == ["text/html", "text/javascript", "text/css", "image/svg+xml", "text/plain"]


@pytest.mark.parametrize("path", PARTS)
def test_what_a_browser_has_is_not_sent_again(client: TestClient, path: str):
    tag = client.get(path).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-security-policy" in again.headers
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_head_tells_of_the_page_without_it(client: TestClient):
    response = client.head("/")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 100


@pytest.mark.parametrize(
    "path",
    ["/web/", "/web/files.py", "/web/../files.py", "/web/%2e%2e/files.py", "/web/lib", "/web"],
)
def test_nothing_but_the_pages_files_is_sent(client: TestClient, path: str):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["message"]


def test_without_the_page_its_paths_are_unknown(open_client: OpenClient):
    client = open_client(ScriptedEngine(), page=False)
    assert [client.get(path).status_code for path in PARTS] == [404] * len(PARTS)
    assert client.get("/v1/models").status_code == 200


def test_another_host_gets_the_page_and_not_the_api(client: TestClient):
    foreign = {"host": "clinic.example"}
    assert client.get("/", headers=foreign).status_code == 200
    assert client.get("/v1/me", headers=foreign).status_code == 403


@pytest.fixture
def with_keys(models_here: Models, own_state: State, tmp_path: Path) -> TestClient:
    settings = ServiceSettings(home=tmp_path, store_answers="off")
    app = build_app(ScriptedEngine(), models_here, settings, state=own_state)
    return TestClient(app, base_url=URL)


def test_the_page_needs_no_key_and_the_api_does(with_keys: TestClient, own_state: State):
    Keys(own_state).create(KeyWish("anna", ("chat",)))
    with with_keys as client:
        assert [client.get(path).status_code for path in PARTS] == [200] * len(PARTS)
        assert client.get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("wish", "scopes", "store"),
    [
        (KeyWish("anna", ("chat",)), ["chat"], "off"),
        (KeyWish("clara", ("train",)), ["train"], "off"),
        (KeyWish("boss", ("admin",)), ["chat", "train", "admin"], "off"),
        (KeyWish("desk", ("chat",), store_answers="all"), ["chat"], "all"),
    ],
)
def test_a_key_is_told_what_it_may_do(
    with_keys: TestClient, own_state: State, wish: KeyWish, scopes: list[str], store: str
):
    _, key = Keys(own_state).create(wish)
    with with_keys as client:
        told = client.get("/v1/me", headers={"authorization": f"Bearer {key}"}).json()
    assert told == {
        "object": "caller",
        "name": wish.name,
        "scopes": scopes,
        "store_answers": store,
    }


def test_without_keys_everybody_may_do_all_and_nothing_is_stored(client: TestClient):
    told = client.get("/v1/me").json()
    assert told["name"] is None
    assert told["scopes"] == ["chat", "train", "admin"]
    assert told["store_answers"] == "off", "there is no database"
