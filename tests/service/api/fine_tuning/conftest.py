"""The fine-tuning API on a scripted base: real files and jobs, plans as told."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from openai import OpenAI

from finetune.hardware import GIB, Memory
from service.accounts.keyring import Keyring
from service.accounts.keys import Key, Keys, KeyWish
from service.accounts.rate_limit import RateLimits
from service.api.fine_tuning.fine_tuning import FineTuning
from service.api.fine_tuning.fit import Fit
from service.api.fine_tuning.routes import fine_tuning_routes
from service.files.files import Files
from service.files.stored_file import Purpose
from service.http.access import Access
from service.http.gate import Gate
from service.http.replies import answer_errors
from service.jobs.aliases import Aliases
from service.jobs.desk import Desk
from service.jobs.events import Events
from service.jobs.job import NewJob
from service.jobs.jobs import Jobs
from service.jobs.planning import Plan
from service.models import Models
from service.state.database import State
from tests.service.conftest import URL

PLAN = Plan(
    n_epochs=4,
    batch_size=8,
    learning_rate_multiplier=1.0,
    num_conversations=90,
    num_held_out=10,
    num_steps=45,
    trained_tokens=9000,
    answer_tokens=4000,
    seconds=12.5,
    report_seconds=3.0,
    memory_bytes=1 << 30,
)
PLENTY = Memory("cpu", total_bytes=64 * GIB, free_bytes=60 * GIB, own_bytes=GIB)


@dataclass
class Planner:
    asked: list[NewJob] = field(default_factory=list[NewJob])

    async def plan(self, new: NewJob) -> Plan:
        self.asked.append(new)
        return PLAN


@dataclass
class Service:
    """All that the API works on."""

    state: State
    home: Path
    models: Models
    planner: Planner = field(default_factory=Planner)
    gate: Gate = field(default_factory=Gate)
    num_woken: int = 0
    base: str = "smollm2-135m"  # as the server was told it
    memory: Memory = PLENTY
    is_exclusive: bool = False

    def __post_init__(self) -> None:
        self.jobs, self.events, self.keys = Jobs(self.state), Events(self.state), Keys(self.state)
        self.desk = Desk(self.home)
        self.files = Files(self.state, self.home, self.desk.place)
        self.file_id = "file-1"  # the last one

    def wake(self) -> None:
        self.num_woken += 1

    def add_file(
        self, key: Key | None = None, name: str = "clinic.jsonl", purpose: Purpose = "fine-tune"
    ) -> str:
        owner = "" if key is None else key.id
        self.file_id = self.files.keep(owner, name, purpose, b"{}").id
        return self.file_id

    def add_key(self, name: str, *scopes: str, **wish: Any) -> tuple[Key, str]:
        return self.keys.create(KeyWish(name, scopes or ("train",), **wish))

    def build(self) -> FastAPI:
        app = FastAPI()
        answer_errors(app)
        app.add_middleware(Access, keyring=Keyring(self.keys, max_age=0), limits=RateLimits())
        made = FineTuning(
            self.state,
            self.desk,
            self.files,
            self.models,
            self.base,
            self.planner,
            Fit(self.base, self.home, is_exclusive=self.is_exclusive, look=lambda: self.memory),
            self.gate,
            self.wake,
        )
        app.include_router(fine_tuning_routes(made))
        return app


@pytest.fixture
def service(own_state: State, tmp_path: Path, models_here: Models) -> Service:
    aliases = Aliases(Jobs(own_state), tmp_path, models_here.store)
    models = Models("base", models_here.tokenizer, models_here.store, fine_tuned=aliases)
    return Service(own_state, tmp_path, models)


@pytest.fixture
def client(service: Service) -> Generator[TestClient]:
    with TestClient(service.build(), base_url=URL, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def connect(client: TestClient) -> Callable[..., OpenAI]:
    """The official client, with a key or none; closed with the connection of all."""

    def open_one(secret: str = "none") -> OpenAI:
        return OpenAI(base_url=f"{URL}/v1", api_key=secret, max_retries=0, http_client=client)

    return open_one


@pytest.fixture
def openai(connect: Callable[..., OpenAI]) -> OpenAI:
    return connect()


@pytest.fixture
def post(client: TestClient, service: Service) -> Callable[..., Any]:
    """Ask for a job by raw fields; returns the response."""

    def send(secret: str = "none", **fields: Any) -> Any:
        body = {"model": "base", "training_file": service.file_id} | fields
        headers = {"Authorization": f"Bearer {secret}"}
        return client.post("/v1/fine_tuning/jobs", json=body, headers=headers)

    return send
