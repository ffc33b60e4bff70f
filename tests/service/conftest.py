"""A byte tokenizer, adapter folders, the service on a scripted engine, and a server of others."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import uvicorn
from fastapi import FastAPI
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.testclient import TestClient
from safetensors.numpy import save
from tokenizers import decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from data.chat import Tokenizer
from finetune.adapters.card import AdapterCard, BaseIdentity, DataSummary, SamplingDefaults
from finetune.adapters.files import CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from finetune.bases.fingerprint import Fingerprint
from service.app import build_app
from service.models import Models
from service.server import http_config, listen, url_of
from service.settings import ServiceSettings
from service.state.database import State, open_state
from serving.adapters.store import AdapterStore
from serving.engine import Engine, Request
from serving.scripted import ScriptedEngine
from tests.service.postgres import PostgresMissing, running_postgres

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
URL = "http://127.0.0.1:8000"  # what a client believes to talk to
BASE = Fingerprint(shape={"hidden_size": 8}, vocabulary="bytes", norms=(1.0,))


def make_tokenizer() -> Tokenizer:
    """One token a byte, and ChatML."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(alphabet)}
    inner = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.chat_template = CHATML
    return fast


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return make_tokenizer()


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    return tmp_path / "adapters"


@pytest.fixture
def add_adapter(adapters: Path) -> Callable[..., Path]:
    """Write one version of an adapter: its name, then any of the options."""

    def add(
        name: str,
        version: str = "1",
        *,
        system: str | None = None,
        sampling: SamplingDefaults | None = None,
        template: str | None = None,
        disclaimer: str | None = None,
        metrics: dict[str, float] | None = None,
    ) -> Path:
        staged = adapters.parent / "being written" / name / version
        staged.mkdir(parents=True)
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
        (staged / CONFIG_FILE).write_text(json.dumps(config))
        tensor = np.frombuffer(f"{name}@{version}".encode(), np.uint8)
        (staged / WEIGHTS_FILE).write_bytes(save({"it": tensor}))
        if template is not None:
            (staged / TEMPLATE_FILE).write_text(template)
        card = AdapterCard(
            name=name,
            base=BaseIdentity(id="base", fingerprint=BASE),
            chat_template_sha256="",
            system=system,
            sampling=sampling or SamplingDefaults(),
            disclaimer=disclaimer,
            metrics=metrics or {},
            data=DataSummary(
                source="x.txt", sha256="", num_conversations=1, num_trained=1, num_held_out=0
            ),
            created=datetime(2025, 1, 1, tzinfo=UTC),
        )
        card.write(staged)
        folder = adapters / name / version
        folder.parent.mkdir(parents=True, exist_ok=True)
        return staged.rename(folder)  # whole, however soon somebody looks

    return add


@pytest.fixture
def models_here(tokenizer: Tokenizer, adapters: Path) -> Models:
    return Models("base", tokenizer, AdapterStore(adapters, BASE))


@pytest.fixture
def build(models_here: Models) -> Callable[..., FastAPI]:
    """The application on an engine; then any of the settings."""
    return lambda engine, **settings: build_app(engine, models_here, ServiceSettings(**settings))


@pytest.fixture
def open_client(build: Callable[..., FastAPI]) -> Generator[Callable[..., TestClient]]:
    """A client of the application in this process; started and stopped with the test."""
    with ExitStack() as stack:
        yield lambda engine, **settings: stack.enter_context(
            TestClient(build(engine, **settings), base_url=URL, raise_server_exceptions=False)
        )


@pytest.fixture
def ask(
    open_client: Callable[[Engine], TestClient],
) -> Callable[..., Any]:
    """Send one chat request to a fresh engine; returns the response."""

    def send(engine: Engine | None = None, **fields: Any) -> Any:
        body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}]} | fields
        client = open_client(engine or ScriptedEngine())
        return client.post("/v1/chat/completions", json=body)

    return send


@pytest.fixture
def complete(open_client: Callable[[Engine], TestClient]) -> Callable[..., Any]:
    """Send one text completion to a fresh engine; returns the response."""

    def send(engine: Engine | None = None, **fields: Any) -> Any:
        client = open_client(engine or ScriptedEngine())
        return client.post("/v1/completions", json={"model": "base", "prompt": "Hi"} | fields)

    return send


@pytest.fixture
def serve_app() -> Generator[Callable[..., str]]:
    """Serve an application on a loopback port, by the given settings; returns the URL."""
    with ExitStack() as stack:
        yield lambda app, **settings: stack.enter_context(running(app, ServiceSettings(**settings)))


@pytest.fixture
def serve(build: Callable[..., FastAPI], serve_app: Callable[..., str]) -> Callable[..., str]:
    """Serve an engine on a loopback port, by the given settings; returns the URL."""
    return lambda engine, **settings: serve_app(build(engine, **settings), **settings)


class FakeServer:
    """An OpenAI-compatible server that is not ours: records what it was asked, answers as told."""

    def __init__(
        self,
        *events: str,
        models: tuple[str, ...] = ("fake",),
        status: int = 200,
        gather: int = 0,  # no request of `max_tokens` gets content before that many have come
        max_tokens: int = 0,
    ) -> None:
        self._events = events
        self._models = models
        self._status = status
        self._gather = gather
        self._max_tokens = max_tokens
        self._gathered = asyncio.Event()
        self._num_running = 0
        self.most_running = 0
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    def asked(self, max_tokens: int) -> list[dict[str, Any]]:
        return [body for body in self.bodies if body["max_tokens"] == max_tokens]

    def build(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        def list_models() -> dict[str, Any]:
            return {"data": [{"id": model} for model in self._models]}

        @app.post("/v1/chat/completions")
        async def create(request: HttpRequest) -> Response:
            self.bodies.append(await request.json())
            self.keys.append(request.headers.get("authorization"))
            if self._status != 200:
                return JSONResponse({"error": {"message": "Not now."}}, self._status)
            self._num_running += 1
            self.most_running = max(self.most_running, self._num_running)
            return StreamingResponse(self._stream(self.bodies[-1]), media_type="text/event-stream")

        _ = (list_models, create)
        return app

    async def _stream(self, body: dict[str, Any]) -> AsyncGenerator[str]:
        yield 'data: {"choices": [{"delta": {"role": "assistant", "content": null}}]}\n\n'
        if body["max_tokens"] == self._max_tokens:
            if len(self.asked(self._max_tokens)) >= self._gather:
                self._gathered.set()
            await self._gathered.wait()
        for event in self._events:
            yield f"data: {event}\n\n"
        self._num_running -= 1


@pytest.fixture
def fake_server() -> type[FakeServer]:
    return FakeServer


@contextmanager
def running(app: FastAPI, settings: ServiceSettings) -> Generator[str]:
    """Serve an application on a loopback port for as long as the block lasts; its URL."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(http_config(app, settings))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield url_of(listener, settings.is_encrypted)
    finally:
        server.should_exit = True
        thread.join(10)


def wait_until(happens: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """Eight megabytes."""
    with _disk(tmp_path / "home", "8m") as folder:
        yield folder


@pytest.fixture
def disk_for_a_run(tmp_path: Path) -> Generator[Path]:
    """As small as one on which a training begins."""
    with _disk(tmp_path / "home", "32m") as folder:
        yield folder


@contextmanager
def _disk(folder: Path, size: str) -> Generator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk can only be mounted by root on Linux: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def prompt_of(tokenizer: Any) -> Callable[[Request], str]:
    """The prompt of an engine's request, as text."""
    return lambda request: tokenizer.decode(list(request.prompt_ids))


@pytest.fixture(scope="session")
def postgres() -> Generator[Callable[[], str]]:
    """Makes an empty database on a real PostgreSQL; returns its URL."""
    with ExitStack() as stack:
        try:
            new_database = stack.enter_context(running_postgres())
        except PostgresMissing as error:
            pytest.skip(str(error))
        yield new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres")()
    return f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture
def state(database: str, tmp_path: Path) -> Generator[State]:
    """An open state, in each kind of database in turn."""
    with closing(open_state(tmp_path, database)) as state:
        yield state


@pytest.fixture
def own_state(tmp_path: Path) -> Generator[State]:
    """An open state in home's own file."""
    with closing(open_state(tmp_path)) as state:
        yield state
