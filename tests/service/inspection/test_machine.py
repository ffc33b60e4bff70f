"""The machine as clients ask for it."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from finetune.cost import Conditions
from finetune.hardware import GIB, Machine, describe_machine
from finetune.pace import Pace
from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.inspection.machine import MAX_AGE, MachineInspection
from service.inspection.protocol import MachineInfo
from service.models import Models
from service.recommendation import Here
from service.settings import ServiceSettings
from service.state.database import State
from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

HERE = Here(
    Machine("a CPU", 2, ("avx2",), 24 * GIB, None, 0),
    Pace(1.2e11, 1.2e10),
    Conditions("cpu", "fp32", 24 * GIB),
    "int8",
)


@dataclass
class Looks:
    """Counts how often the machine is timed, and tells the time."""

    found: Here | Exception = HERE
    num: int = 0
    now: float = 0.0
    inspection: MachineInspection = field(init=False)

    def __post_init__(self) -> None:
        self.inspection = MachineInspection(
            ScriptedEngine(), "base", Path("/nowhere/home"), self.look, lambda: self.now
        )

    def describe(self, times: int = 1) -> MachineInfo:
        """What several are told who ask at the same time."""

        async def ask() -> list[MachineInfo]:
            return await asyncio.gather(*(self.inspection.describe() for _ in range(times)))

        return asyncio.run(ask())[0]

    def look(self) -> Here:
        self.num += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_the_machine_is_what_the_doctor_finds(open_client: Callable[[Engine], TestClient]):
    client = open_client(ScriptedEngine())
    found, machine = client.get("/v1/machine").json(), describe_machine()
    assert (found["object"], found["serving"]["model"]) == ("machine", "base")
    assert (found["cpu"], found["num_cores"]) == (machine.cpu, machine.num_cores)
    assert found["cpu_features"] == list(machine.features)
    assert (found["memory_bytes"], found["gpu"]) == (machine.memory_bytes, machine.gpu)
    assert found["free_disk_bytes"] > 0
    assert found["versions"]["torch"]
    assert found["training"]["precision"] in ("fp32", "bf16")


def test_the_recommended_base_comes_with_what_it_takes():
    found = Looks().describe().recommended
    assert found is not None
    assert found.best is not None
    assert found.best.base == "Qwen/Qwen2.5-0.5B-Instruct"
    assert 0 < found.best.training_bytes < 24 * GIB
    assert found.best.training_hours > 0
    assert found.best.tokens_per_second > 3
    assert found.best not in found.others
    assert (found.num_conversations, found.num_too_large > 0) == (500, True)


def test_however_many_ask_the_machine_is_timed_once_in_a_while():
    looks = Looks()
    looks.describe(times=5)
    looks.now = MAX_AGE
    looks.describe()
    assert looks.num == 1
    looks.now += 1
    looks.describe()
    assert looks.num == 2


def test_a_machine_that_cannot_be_timed_is_told_without_a_recommendation(
    caplog: pytest.LogCaptureFixture,
):
    looks = Looks(RuntimeError("CUDA out of memory"))
    for _ in range(2):
        found = looks.describe()
        assert found.recommended is None
        assert found.memory_bytes > 0
    assert looks.num == 1
    assert "CUDA out of memory" in caplog.text


def test_the_machine_is_for_keys_that_train(models_here: Models, own_state: State, tmp_path: Path):
    secrets = {
        scope: Keys(own_state).create(KeyWish(scope, scopes=[scope]))[1]
        for scope in ("chat", "train", "admin")
    }
    app = build_app(ScriptedEngine(), models_here, ServiceSettings(home=tmp_path), state=own_state)
    with ExitStack() as stack:
        client = stack.enter_context(TestClient(app, base_url=URL))
        answers = {
            scope: client.get("/v1/machine", headers={"X-Api-Key": secret})
            for scope, secret in secrets.items()
        }
        assert client.get("/v1/machine").status_code == 401
    assert {scope: answer.status_code for scope, answer in answers.items()} == {
        "chat": 403,
        "train": 200,
        "admin": 200,
    }
    assert str(tmp_path) not in answers["admin"].text
