"""Keys as clients meet them: through the whole application."""

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from starlette.types import Message

from service.accounts.caller import Caller, Limits, current_caller
from service.accounts.keyring import Keyring
from service.accounts.keys import Keys, KeyWish
from service.accounts.rate_limit import RateLimits
from service.accounts.usage import read_usage
from service.app import build_app
from service.client.terminal import chat
from service.errors import ServerRefused
from service.http.access import Access
from service.http.endpoints import find_endpoint
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

CHAT = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]}
FOR_ALL = [("GET", "/health"), ("GET", "/ready")]
FOR_CHAT = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/base"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/chat/completions"),
    ("GET", "/v1/feedback"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
]
FOR_ADMIN = [
    ("DELETE", "/v1/models/tcm"),
    ("POST", "/v1/load_lora_adapter"),
    ("POST", "/lora-adapters"),
    ("GET", "/v1/completions"),
    ("GET", "/whatever/comes"),
    ("OPTIONS", "/v1/models"),
    ("PURGE", "/v1/models"),
]


@pytest.fixture
def keys(own_state: State) -> Keys:
    return Keys(own_state)


@pytest.fixture
def secret(keys: Keys) -> Callable[..., str]:
    """A new key, named; then any fields of the wish."""
    return lambda name="anna", **fields: keys.create(KeyWish(name, **fields))[1]


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(default="多休息。")


@pytest.fixture
def start(
    models_here: Models, own_state: State, engine: ScriptedEngine, tmp_path: Path
) -> Generator[Callable[..., TestClient]]:
    """Start the service on the keys that there are; then any settings. Returns a client."""
    with ExitStack() as stack:

        def enter(**settings: Any) -> TestClient:
            given = ServiceSettings(home=tmp_path, **settings)
            app = build_app(engine, models_here, given, state=own_state)
            return stack.enter_context(TestClient(app, base_url=URL, raise_server_exceptions=False))

        yield enter


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def ask(client: TestClient, method: str, path: str, **options: Any) -> Any:
    return client.request(method, path, json=CHAT if method == "POST" else None, **options)


def test_without_any_key_everybody_is_answered(start: Callable[..., TestClient]):
    client = start()
    for method, path in FOR_ALL + FOR_CHAT:
        assert ask(client, method, path).status_code == 200
    assert ask(client, "POST", "/v1/load_lora_adapter").status_code == 400
    assert client.get("/v1/models", headers=bearer("none-needed")).status_code == 200


@pytest.mark.parametrize(("method", "path"), [*FOR_CHAT, *FOR_ADMIN, ("GET", "/metrics")])
def test_where_there_is_a_key_nothing_is_answered_without(
    start: Callable[..., TestClient], secret: Callable[..., str], method: str, path: str
):
    secret()
    client = start()
    for headers in ({}, bearer("lc-wrong"), bearer(""), {"Authorization": "Basic YTpi"}):
        response = ask(client, method, path, headers=headers)
        error = response.json()["error"]
        assert response.status_code == 401
        assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
        assert response.headers["www-authenticate"] == "Bearer"


def test_health_needs_no_key(start: Callable[..., TestClient], secret: Callable[..., str]):
    secret()
    client = start()
    for method, path in FOR_ALL:
        assert ask(client, method, path, headers=bearer("lc-wrong")).status_code == 200


@pytest.mark.parametrize(("method", "path"), FOR_CHAT)
def test_a_chat_key_may_chat(
    start: Callable[..., TestClient], secret: Callable[..., str], method: str, path: str
):
    key = secret()
    client = start()
    for headers in (bearer(key), {"Authorization": f"bearer  {key}"}, {"X-Api-Key": key}):
        assert ask(client, method, path, headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path"), FOR_ADMIN)
def test_whatever_else_there_is_needs_an_admins_key(
    start: Callable[..., TestClient], secret: Callable[..., str], method: str, path: str
):
    anna, root = secret(), secret("root", scopes=("admin",))
    client = start()
    refusal = ask(client, method, path, headers=bearer(anna))
    error = refusal.json()["error"]
    assert refusal.status_code == 403
    assert (error["type"], error["code"]) == ("permission_error", "insufficient_permissions")
    assert "'anna'" in error["message"]
    assert ask(client, method, path, headers=bearer(root)).status_code in (400, 404, 405)


def test_a_key_sees_its_own_adapters_wherever_they_are_listed(
    start: Callable[..., TestClient], secret: Callable[..., str], add_adapter: Callable[..., Path]
):
    for name in ("中医", "style"):
        add_adapter(name)
    headers = bearer(secret(scopes=("admin",), adapters=("中医", "missing")))
    client = start()
    listed = client.get("/v1/adapters", headers=headers).json()["data"]
    assert [adapter["id"] for adapter in listed] == ["中医"]
    assert [each["id"] for each in client.get("/lora-adapters", headers=headers).json()] == ["中医"]
    assert client.get("/v1/adapters/中医", headers=headers).status_code == 200
    for method, path in [
        ("GET", "/v1/adapters/style"),
        ("GET", "/v1/adapters/missing"),
        ("POST", "/v1/adapters/style/rollback"),
        ("DELETE", "/v1/adapters/style@1"),
        ("DELETE", "/v1/models/style"),
    ]:
        refusal = client.request(method, path, headers=headers)
        assert refusal.status_code == 404
        assert "style" not in refusal.json()["error"]["message"].replace("'style", "")
    loaded = {"lora_name": "style", "lora_path": "style"}
    assert client.post("/v1/load_lora_adapter", json=loaded, headers=headers).status_code == 404
    upload = {"name": "style", "promote": "true"}
    parts = [("file", ("README.md", b"x"))]
    answer = client.post("/v1/adapters", params=upload, files=parts, headers=headers)
    assert answer.status_code == 404
    assert client.get("/v1/adapters/style").status_code == 401


def test_metrics_need_any_key_unless_they_are_open(
    start: Callable[..., TestClient], secret: Callable[..., str]
):
    key = secret()
    closed, opened = start(), start(metrics_open=True)
    assert closed.get("/metrics").status_code == 401
    assert closed.get("/metrics", headers=bearer(key)).status_code == 200
    assert opened.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/ready", "nothing"),
        ("HEAD", "/health", "nothing"),
        ("POST", "/health", "admin"),
        ("GET", "/health/", "admin"),
        ("GET", "/metrics", "key"),
        ("GET", "/v1/models/some/中医@2", "chat"),
        ("GET", "/v1/modelsandmore", "admin"),
        ("GET", "/v1/adapters", "chat"),
        ("GET", "/v1/adapters/tcm", "chat"),
        ("POST", "/v1/adapters", "admin"),
        ("POST", "/v1/adapters/tcm/promote", "admin"),
        ("DELETE", "/v1/adapters/tcm", "admin"),
        ("GET", "/lora-adapters", "chat"),
        ("POST", "/v1/completions", "chat"),
        ("POST", "/tokenize", "chat"),
        ("POST", "/detokenize", "chat"),
        ("GET", "/docs", "chat"),
        ("POST", "/v1/unload_lora_adapter", "admin"),
    ],
)
def test_every_request_has_its_need(method: str, path: str, need: str):
    assert find_endpoint(method, path).needs == need


def test_a_path_below_a_proxys_needs_what_it_needs_elsewhere(
    start: Callable[..., TestClient], secret: Callable[..., str]
):
    key = secret()
    client = start()
    below = TestClient(client.app, base_url=URL, root_path="/lora")
    for path in ("/lora/v1/models", "/v1/models"):
        assert below.get(path).status_code == 401
        assert below.get(path, headers=bearer(key)).status_code == 200
    assert below.get("/lora/health").status_code == 200


def test_what_a_key_may_not_use_does_not_exist_for_it(
    start: Callable[..., TestClient], secret: Callable[..., str], add_adapter: Callable[..., Path]
):
    for name in ("中医", "bike", "style"):
        add_adapter(name)
    headers = bearer(secret(adapters=("中医", "style", "未来")))
    client = start()
    listed = client.get("/v1/models", headers=headers).json()["data"]
    assert [card["id"] for card in listed] == ["style", "中医"]
    for model in ("中医", "中医@1", "中医:0.7+style:0.3", "<lora:style:0.5>"):
        assert client.get(f"/v1/models/{model}", headers=headers).json()["id"] == model
        asked = client.post("/v1/chat/completions", json=CHAT | {"model": model}, headers=headers)
        assert asked.status_code == 200
    for model in ("base", "bike", "bike@1", "中医:0.7+bike:0.3", "<lora:bike:0.5>", "nowhere"):
        found = client.get(f"/v1/models/{model}", headers=headers)
        asked = client.post("/v1/chat/completions", json=CHAT | {"model": model}, headers=headers)
        for response in (found, asked):
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (404, "model_not_found")
            known = error["message"].split("Adapters here: ")[1]
            assert known == "style, 中医.", "the names of others are not told"


def test_adapters_in_the_lora_field_are_checked_too(
    start: Callable[..., TestClient], secret: Callable[..., str], add_adapter: Callable[..., Path]
):
    for name in ("tcm", "bike"):
        add_adapter(name)
    headers = bearer(secret(adapters=("tcm",)))
    client = start()
    for name, status in (("tcm", 200), ("bike", 404)):
        body = CHAT | {"lora": [{"name": name, "scale": 1.0}]}
        response = client.post("/v1/chat/completions", json=body, headers=headers)
        assert response.status_code == status


def test_the_base_is_one_of_the_names(
    start: Callable[..., TestClient], secret: Callable[..., str], add_adapter: Callable[..., Path]
):
    add_adapter("tcm")
    headers = bearer(secret(adapters=("base",)))
    client = start()
    assert [card["id"] for card in client.get("/v1/models", headers=headers).json()["data"]] == [
        "base"
    ]
    assert client.post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 200


def test_limits_are_answered_with_429_and_said_before(
    start: Callable[..., TestClient], secret: Callable[..., str]
):
    headers = bearer(secret(limits=Limits(requests_per_minute=2)))
    client = start()
    first, second, third = [client.get("/v1/models", headers=headers) for _ in range(3)]
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert third.headers["retry-after"] == "30"
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    assert "x-ratelimit-limit-requests" not in client.get("/health").headers


def test_tokens_of_an_answer_count_against_the_next(
    start: Callable[..., TestClient], secret: Callable[..., str]
):
    headers = bearer(secret(limits=Limits(tokens_per_minute=20)))
    client = start()
    first, second = [
        client.post("/v1/chat/completions", json=CHAT, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (200, 429)
    assert first.headers["x-ratelimit-remaining-tokens"] == "20"
    assert second.headers["x-ratelimit-remaining-tokens"] == "0"
    assert client.get("/v1/models", headers=headers).status_code == 200


def test_usage_is_what_clients_were_told(
    start: Callable[..., TestClient],
    secret: Callable[..., str],
    keys: Keys,
    own_state: State,
    models_here: Models,
    add_adapter: Callable[..., Path],
    tmp_path: Path,
):
    add_adapter("tcm")
    headers = bearer(secret())
    told: list[dict[str, int]] = []
    settings = ServiceSettings(home=tmp_path)
    app = build_app(ScriptedEngine(), models_here, settings, state=own_state)
    with TestClient(app, base_url=URL) as client:
        for fields in ({}, {"n": 3}, {"model": "tcm:0.5"}):
            response = client.post("/v1/chat/completions", json=CHAT | fields, headers=headers)
            told.append(response.json()["usage"])
        client.post("/v1/chat/completions", json=CHAT | {"max_tokens": 9999}, headers=headers)
    counts = {account.model: count for account, count in read_usage(own_state, None, 0)}
    assert set(counts) == {"base", "tcm"}
    assert (counts["base"].requests, counts["tcm"].requests) == (2, 1)
    for unit in ("prompt_tokens", "completion_tokens"):
        assert getattr(counts["base"], unit) == told[0][unit] + told[1][unit]
        assert getattr(counts["tcm"], unit) == told[2][unit]
    assert {account.key_id for account, _ in read_usage(own_state, None, 0)} == {
        keys.find("anna").id
    }


def test_keys_never_reach_the_log(
    start: Callable[..., TestClient],
    secret: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    key = secret()
    client = start()
    for sent in (key, key + "x"):
        ask(client, "POST", "/v1/chat/completions", headers=bearer(sent))
        response = ask(client, "POST", "/v1/load_lora_adapter", headers=bearer(sent))
        assert sent not in response.text
    assert caplog.records
    assert key[3:] not in caplog.text


def test_openais_client_raises_its_own_errors(
    serve_app: Callable[..., str],
    models_here: Models,
    own_state: State,
    secret: Callable[..., str],
    add_adapter: Callable[..., Path],
    tmp_path: Path,
):
    add_adapter("bike")
    anna = secret(adapters=("base",), limits=Limits(requests_per_minute=3))
    settings = ServiceSettings(home=tmp_path)
    url = serve_app(build_app(ScriptedEngine(), models_here, settings, state=own_state))

    def client(key: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    with client("lc-wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with client(anna) as known:
        assert [model.id for model in known.models.list()] == ["base"]
        with pytest.raises(openai.NotFoundError):
            known.models.retrieve("bike")
        with pytest.raises(openai.PermissionDeniedError):
            known.models.delete("base")
        known.models.list()
        with pytest.raises(openai.RateLimitError) as caught:
            known.models.list()
    # [seconds] Until a third of a minute has passed since the first of three requests.
    assert 15 <= int(caught.value.response.headers["retry-after"]) <= 20


def test_the_caller_is_known_below_and_forgotten_after(keys: Keys, secret: Callable[..., str]):
    key = secret()
    seen: list[Caller] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend((scope["caller"], current_caller.get()))

    async def visit() -> None:
        scope = {"type": "http", "method": "GET", "path": "/v1/models"}
        headers = [(b"authorization", f"Bearer {key}".encode())]
        await Access(app, Keyring(keys), RateLimits())(scope | {"headers": headers}, None, None)  # pyright: ignore[reportArgumentType] -- nobody receives or sends
        assert current_caller.get().key_id is None

    asyncio.run(visit())
    assert seen == [keys.find("anna").caller] * 2


def test_websockets_are_closed(keys: Keys):
    sent: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let through")

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/models", "headers": []}
    asyncio.run(Access(app, Keyring(keys), RateLimits())(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_terminal_chat_takes_a_key(
    serve_app: Callable[..., str],
    models_here: Models,
    own_state: State,
    secret: Callable[..., str],
    tmp_path: Path,
):
    key = secret()
    engine = ScriptedEngine(default="多休息。")
    settings = ServiceSettings(home=tmp_path)
    url = serve_app(build_app(engine, models_here, settings, state=own_state))
    typed, out = iter(["你好", "/quit"]), Console(file=StringIO())
    with pytest.raises(ServerRefused, match="needs a key"):
        chat(url, "base")
    chat(url, "base", lambda _: next(typed), out, Console(file=StringIO()), api_key=key)
    assert "多休息。" in cast(StringIO, out.file).getvalue()


def test_the_log_names_the_key_of_a_request(
    start: Callable[..., TestClient], secret: Callable[..., str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    start().get("/v1/models", headers=bearer(secret("安娜")))
    keys = [getattr(record, "fields", {}).get("key") for record in caplog.records]
    assert "安娜" in keys
