"""An adapter's improvement and its ledger over the API."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from finetune.improving.decision import abstain_for_few
from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.improving.improver import Improver
from service.improving.ledger import Entry, Ledger
from service.improving.round import alone
from service.jobs.desk import Desk
from service.jobs.job import FineTuningJob, NewJob, new_job_id
from service.jobs.jobs import Jobs
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

Begun = list[tuple[str, int | None]]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Begun:
    """What the server has had improved; nothing of it really is."""
    asked: Begun = []

    async def improve(_: Improver, adapter: str, share: int | None = None) -> int:
        asked.append((adapter, share))
        return 0

    monkeypatch.setattr(Improver, "improve", improve)
    return asked


@pytest.fixture
def client(
    models_here: Models,
    own_state: State,
    add_adapter: Callable[..., Path],
    tmp_path: Path,
    begun: Begun,
) -> Generator[TestClient]:
    add_adapter("tcm")
    add_adapter("tcm", "2")
    app = build_app(ScriptedEngine(), models_here, ServiceSettings(home=tmp_path), state=own_state)
    with ExitStack() as stack:
        yield stack.enter_context(TestClient(app, base_url=URL))


def test_an_improvement_is_begun_and_looked_at(client: TestClient, begun: Begun, tmp_path: Path):
    (tmp_path / "improving").mkdir(exist_ok=True)
    (tmp_path / "improving" / "tcm.log").write_text("早" * 3000 + "Too early to tell.\n", "utf-8")
    told = client.post("/v1/adapters/tcm/improve", json={"share": 10}).json()
    assert (told["object"], told["adapter"], told["accepted"]) == ("improvement", "tcm", 0)
    assert begun == [("tcm", 10)]
    found = client.get("/v1/adapters/tcm/improve").json()
    assert found["running"] is False
    assert found["said"].endswith("早Too early to tell.\n")
    assert len(found["said"].encode()) < 4100


def test_the_training_of_a_round_is_named_while_it_goes_on(
    client: TestClient, own_state: State, tmp_path: Path
):
    def add(run: str) -> FineTuningJob:
        new = NewJob(
            id=new_job_id(),
            key_id="",
            place=Desk(tmp_path).place,
            model="base",
            name="tcm",
            training_file="/training.jsonl",
            run=run,
            options={},
            seed=1,
            source="terminal",
        )
        return Jobs(own_state).add(new, status="running")

    def named() -> str | None:
        return client.get("/v1/adapters/tcm/improve").json()["job"]

    add("runs/tcm")
    assert named() is None
    job = add("runs/tcm-round-1")
    assert named() == job.id
    Jobs(own_state).move(job.id, ["running"], "paused")
    assert named() is None


def test_what_another_process_is_at_is_not_begun(client: TestClient, begun: Begun, tmp_path: Path):
    with alone(tmp_path, "tcm"):
        response = client.post("/v1/adapters/tcm/improve", json={})
    assert response.status_code == 400
    assert "is being improved" in response.json()["error"]["message"]
    assert begun == []


def test_there_is_nothing_to_override(client: TestClient):
    response = client.post("/v1/adapters/tcm/improve", json={"override": "We know better."})
    assert "no candidate" in response.json()["error"]["message"]


@pytest.mark.parametrize("body", [{"share": 0}, {"share": 100}, {"override": ""}, {"force": True}])
def test_what_means_nothing_is_refused(client: TestClient, begun: Begun, body: dict[str, object]):
    response = client.post("/v1/adapters/tcm/improve", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, next(iter(body)))
    assert begun == []


def test_the_ledger_is_read_and_has_what_people_move(
    client: TestClient, own_state: State, tmp_path: Path
):
    kept = Ledger(own_state, Desk(tmp_path).place)
    few = [*abstain_for_few(3).reasons]
    kept.add(Entry(adapter="tcm", what="abstain", told={"reasons": few, "needed": 4}))
    kept.add(Entry(adapter="style", what="abstain"))
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})
    client.post("/v1/adapters/tcm/promote", json={"version": "1"})  # moves nothing
    client.post("/v1/adapters/tcm/share", json={"version": "2", "percent": 10})
    found = client.get("/v1/adapters/tcm/ledger").json()["data"]
    assert [each["what"] for each in found] == ["share", "moved", "abstain"]
    assert found[-1]["told"] == {"reasons": few, "needed": 4}
    chinese = client.get("/v1/adapters/tcm/ledger", headers={"Accept-Language": "zh"}).json()[
        "data"
    ]
    assert chinese[-1]["told"]["reasons"][0].startswith("还需要 14 条审阅过的更正")
    assert len(client.get("/v1/adapters/tcm/ledger?limit=1").json()["data"]) == 1


def test_an_adapter_that_is_not_there_is_not_found(client: TestClient):
    for method in ("GET", "POST"):
        assert client.request(method, "/v1/adapters/nobody/improve", json={}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "improve"), ("POST", "improve"), ("GET", "ledger")]
)
def test_it_is_for_admins_alone(client: TestClient, own_state: State, method: str, path: str):
    key = Keys(own_state).create(KeyWish("desk"))[1]
    headers = {"Authorization": f"Bearer {key}"}
    response = client.request(method, f"/v1/adapters/tcm/{path}", json={}, headers=headers)
    assert response.status_code == 403
