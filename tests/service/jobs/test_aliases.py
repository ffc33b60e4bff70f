"""Names in OpenAI's form: jobs' results and checkpoints, asked as any model is."""

import json
import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.chat import Tokenizer
from finetune.adapters.card import BEST_STEP, AdapterCard
from finetune.adapters.files import CARD_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from finetune.adapters.version import AdapterVersion
from finetune.training.run import SERVED_FOLDER
from service.accounts.keys import Keys, KeyWish
from service.app import build_app
from service.errors import ModelGone
from service.jobs.aliases import Aliases
from service.jobs.desk import Desk
from service.jobs.job import FineTuningJob
from service.jobs.jobs import Jobs
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.adapters.store import AdapterStore
from serving.engine import AdapterRef
from serving.errors import AdapterRefused, BlendError, ModelNotFound
from serving.scripted import ScriptedEngine
from tests.service.conftest import BASE, CHATML, URL
from tests.service.jobs.test_jobs import new_job

Add = Callable[..., Path]
RESULT = "ft:smollm2-135m::tcm:Xy12"
NOT_ENDED = ("validating_files", "queued", "running", "paused")


class Place:
    """A home with one job, ftjob-Xy12."""

    def __init__(self, home: Path, state: State, tokenizer: Tokenizer, add_adapter: Add) -> None:
        self.home = home
        self.state = state
        self.jobs = Jobs(state)
        self.store = AdapterStore(home / "adapters", BASE)
        self.aliases = Aliases(self.jobs, home, self.store)
        self.models = Models("base", tokenizer, self.store, fine_tuned=self.aliases)
        self.add_adapter = add_adapter
        self.make("ftjob-Xy12")

    def make(self, job_id: str, **values: Any) -> FineTuningJob:
        given: dict[str, Any] = {"place": Desk(self.home).place, "name": "tcm", "key_id": ""}
        return self.jobs.add(new_job(job_id, **(given | values)), status="running")

    def succeed(self, best_step: int | None = None, **options: Any) -> Path:
        """Let the job have made tcm@4."""
        folder = self.add_adapter("tcm", "4", **options)
        if best_step is not None:
            card = AdapterCard.model_validate_json((folder / CARD_FILE).read_bytes())
            card.model_copy(update={"metrics": {BEST_STEP: best_step}}).write(folder)
        self.jobs.move("ftjob-Xy12", ["running"], version="tcm@4")
        self.jobs.move("ftjob-Xy12", ["running"], "succeeded", fine_tuned_model="tcm@4")
        return folder

    def served(self, job_id: str = "ftjob-Xy12") -> Path:
        return self.home / "runs" / job_id / SERVED_FOLDER

    def checkpoint(self, step: int, job_id: str = "ftjob-Xy12", **options: Any) -> Path:
        made = self.add_adapter("making", str(step), **options)
        folder = self.served(job_id) / f"step-{step}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        return made.rename(folder)


@pytest.fixture
def place(tmp_path: Path, own_state: State, tokenizer: Tokenizer, add_adapter: Add) -> Place:
    return Place(tmp_path, own_state, tokenizer, add_adapter)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(default="多休息。")


@pytest.fixture
def client(place: Place, engine: ScriptedEngine) -> Generator[TestClient]:
    app = build_app(engine, place.models, ServiceSettings(), state=place.state)
    with ExitStack() as stack:
        yield stack.enter_context(TestClient(app, base_url=URL, raise_server_exceptions=False))


def ask(client: TestClient, model: str, **options: Any) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    return client.post("/v1/chat/completions", json=body, **options)


def bearer(secret: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def test_a_jobs_result_is_asked_by_its_alias_and_answers_as_its_version(
    place: Place, client: TestClient, engine: ScriptedEngine
):
    place.add_adapter("tcm", "5")  # promoted since
    folder = place.succeed(template=CHATML, system="You are a doctor.")
    assert place.jobs.find("ftjob-Xy12").alias == RESULT
    answer = ask(client, RESULT).json()
    assert (answer["model"], answer["system_fingerprint"]) == (RESULT, "tcm@4:1")
    ((ref, scale),) = engine.requests[0].blend
    assert (str(ref), ref.folder, scale) == ("tcm@4", folder, 1.0)
    assert place.models.resolve(RESULT) == place.models.resolve("tcm@4")
    assert place.models.resolve(f"{RESULT}:latest").pinned == "tcm@4:1"
    card = client.get(f"/v1/models/{RESULT}").json()
    assert (card["id"], card["version"], card["parent"]) == (RESULT, "4", "base")
    assert "checkpoint_of" not in card
    assert client.post("/tokenize", json={"model": RESULT, "prompt": "Hi"}).status_code == 200


def test_the_models_that_jobs_go_on_from_may_have_any_name(place: Place):
    for number, base in enumerate(("hub/Llama 2", "tcm@3", "C:\\a::b+c.gguf", RESULT)):
        job = place.make(f"ftjob-{number}", model=base)
        place.add_adapter("tcm", str(number + 1))
        made = f"tcm@{number + 1}"
        place.jobs.move(job.id, ["running"], "succeeded", fine_tuned_model=made)
        assert place.models.resolve(job.alias).pinned == f"{made}:1"


@pytest.mark.parametrize(
    "model",
    [
        "ft:smollm2-135m::tcm:Xy1",
        "ft:other::tcm:Xy12",
        "ft:smollm2-135m::style:Xy12",
        "ft:smollm2-135m::tcm:xy12",
        "ft:x:smollm2-135m::tcm:Xy12",
        "ft:gpt-4o-mini:openai::7p4lURel",
        f"{RESULT}:ckpt-step-2",
        f"{RESULT}:ckpt-step-02",
        f"{RESULT}:ckpt-step-/../2",
    ],
)
def test_what_is_not_exactly_a_jobs_alias_is_not_found(
    place: Place, client: TestClient, model: str
):
    place.succeed()
    place.add_adapter("style")
    response = ask(client, model)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert client.delete(f"/v1/models/{model}").status_code in (400, 404)
    assert place.models.resolve(RESULT).pinned == "tcm@4:1"


@pytest.mark.parametrize("model", [f"{RESULT}+style", f"{RESULT}:0.7", f"<lora:{RESULT}:1>"])
def test_an_alias_takes_no_scale_and_no_part_in_blends(
    place: Place, client: TestClient, model: str
):
    place.succeed()
    response = ask(client, model)
    assert response.status_code == 400
    assert "stands alone" in response.json()["error"]["message"]
    with pytest.raises(BlendError):
        place.models.resolve("base", [(RESULT, 1e-05)])


@pytest.mark.parametrize("status", [*NOT_ENDED, "failed", "cancelled"])
def test_a_job_that_has_not_succeeded_has_no_result(place: Place, status: Any):
    place.jobs.move("ftjob-Xy12", ["running"], status)
    with pytest.raises(ModelGone, match="not made a model"):
        place.models.resolve(RESULT)


def test_jobs_of_other_homes_are_none_of_this_one(place: Place):
    place.make("ftjob-b", place="elsewhere")
    place.add_adapter("tcm", "1")
    place.jobs.move("ftjob-b", ["running"], "succeeded", fine_tuned_model="tcm@1")
    with pytest.raises(ModelNotFound):
        place.models.resolve(place.jobs.find("ftjob-b").alias)


def test_without_a_state_no_alias_means_anything(models_here: Models, add_adapter: Add):
    add_adapter("tcm", "4")
    with pytest.raises(ModelNotFound, match="Adapters here: tcm"):
        models_here.resolve(RESULT)


def test_a_result_that_has_been_asked_needs_no_database_again(place: Place):
    place.succeed()
    assert place.models.resolve(RESULT).pinned == "tcm@4:1"
    place.state.close()
    (place.home / "state.db").unlink()
    assert place.models.resolve(RESULT).pinned == "tcm@4:1"


def test_a_result_that_was_removed_is_not_found_and_the_answer_says_which(
    place: Place, client: TestClient
):
    place.add_adapter("tcm", "5")
    place.succeed()
    assert client.delete("/v1/models/tcm@4").status_code == 200
    response = ask(client, RESULT)
    assert response.status_code == 404
    assert "It was tcm@4" in response.json()["error"]["message"]


def test_a_version_that_got_the_number_since_is_not_the_jobs(place: Place, client: TestClient):
    folder = place.succeed(best_step=4)
    assert place.models.resolve(f"{RESULT}:ckpt-step-4").pinned == "tcm@4:1"
    job = place.jobs.find("ftjob-Xy12")
    assert place.aliases.steps(job).keys() == {4}
    shutil.rmtree(folder)
    folder = place.add_adapter("tcm", "4", metrics={BEST_STEP: 4}, template=CHATML)
    card = AdapterCard.model_validate_json((folder / CARD_FILE).read_bytes())
    card.model_copy(update={"created": datetime.now(UTC) + timedelta(hours=1)}).write(folder)
    for alias in (RESULT, f"{RESULT}:ckpt-step-4"):
        with pytest.raises(ModelGone):
            place.models.resolve(alias)
    assert place.aliases.steps(job) == {}
    assert client.delete(f"/v1/models/{RESULT}").status_code == 404
    assert place.store.versions("tcm") == ["4"]


def test_deleting_an_alias_removes_the_version_that_it_means(place: Place, client: TestClient):
    place.add_adapter("tcm", "5")
    (place.succeed() / WEIGHTS_FILE).write_bytes(b"damaged")
    deleted = client.delete(f"/v1/models/{RESULT}")
    assert deleted.json() == {"id": RESULT, "object": "model", "deleted": True}
    assert place.store.versions("tcm") == ["5"]
    assert client.delete(f"/v1/models/{RESULT}").status_code == 404


def test_checkpoints_are_asked_while_their_job_goes_on(
    place: Place, client: TestClient, engine: ScriptedEngine
):
    folder = place.checkpoint(12, template=CHATML, system="You are a doctor.")
    alias = place.jobs.find("ftjob-Xy12").checkpoint(12)
    assert alias == f"{RESULT}:ckpt-step-12"
    for status in NOT_ENDED:
        place.jobs.move("ftjob-Xy12", NOT_ENDED, status)
        answer = ask(client, alias).json()
        assert answer["system_fingerprint"] == "tcm@Xy12:ckpt-step-12:1"
    ((ref, _),) = engine.requests[0].blend
    assert (ref.name, ref.folder) == ("tcm", folder)
    model = place.models.resolve(alias)
    assert (model.system, model.renderer.template) == ("You are a doctor.", CHATML)
    assert "tcm" not in place.store.names()


def test_checkpoints_are_listed_and_marked(place: Place, client: TestClient):
    for step in (12, 4):
        place.checkpoint(step)
    (place.served() / "step-new").mkdir()
    (place.served() / "step-20").mkdir()  # not whole, and so not there
    base, *listed = client.get("/v1/models").json()["data"]
    assert "checkpoint_of" not in base
    assert [card["id"] for card in listed] == [f"{RESULT}:ckpt-step-{step}" for step in (4, 12)]
    assert {card["checkpoint_of"] for card in listed} == {"ftjob-Xy12"}
    assert client.get(f"/v1/models/{listed[0]['id']}").json() == listed[0]


def test_checkpoints_go_with_their_jobs_end_but_the_kept_one_is_the_result(
    place: Place, client: TestClient
):
    for step in (4, 12):
        place.checkpoint(step)
    place.succeed(best_step=4)
    assert place.models.resolve(f"{RESULT}:ckpt-step-4").pinned == "tcm@4:1"
    assert "checkpoint_of" not in client.get(f"/v1/models/{RESULT}:ckpt-step-4").json()
    with pytest.raises(ModelGone, match="its result is the best one"):
        place.models.resolve(f"{RESULT}:ckpt-step-12")
    assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["base", "tcm"]


def test_the_kept_checkpoint_answers_between_the_versions_making_and_the_jobs_end(place: Place):
    place.succeed(best_step=4)
    place.jobs.move("ftjob-Xy12", ["succeeded"], "running", fine_tuned_model=None)
    assert place.models.resolve(f"{RESULT}:ckpt-step-4").pinned == "tcm@4:1"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_has_made_nothing_leaves_no_checkpoint(place: Place, status: Any):
    place.checkpoint(4)
    place.jobs.move("ftjob-Xy12", ["running"], status)
    with pytest.raises(ModelGone):
        place.models.resolve(f"{RESULT}:ckpt-step-4")


def test_a_checkpoint_that_has_been_replaced_is_gone_and_breaks_no_request(
    place: Place, client: TestClient
):
    folder, alias = place.checkpoint(4), f"{RESULT}:ckpt-step-4"
    held = place.models.resolve(alias)
    shutil.rmtree(folder)
    assert held.pinned == "tcm@Xy12:ckpt-step-4:1"
    assert ask(client, alias).status_code == 404
    assert len(client.get("/v1/models").json()["data"]) == 1


def test_a_checkpoint_that_is_replaced_while_it_is_asked_is_not_found(
    place: Place, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    folder, pin = place.checkpoint(4), AdapterStore.pin

    def pin_late(store: AdapterStore, entry: AdapterVersion) -> AdapterRef:
        shutil.rmtree(folder)
        return pin(store, entry)

    monkeypatch.setattr(AdapterStore, "pin", pin_late)
    answer = ask(client, f"{RESULT}:ckpt-step-4")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "tcm@Xy12:ckpt-step-4 was removed" in answer.json()["error"]["message"]


def test_a_checkpoint_that_is_replaced_while_its_files_are_looked_at_is_not_found(
    place: Place, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    folder = place.checkpoint(4)

    def check_late(_store: AdapterStore, _folder: Path) -> None:
        shutil.rmtree(folder)

    monkeypatch.setattr(AdapterStore, "check_place", check_late)
    answer = ask(client, f"{RESULT}:ckpt-step-4")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_a_damaged_checkpoint_is_told_by_its_name(place: Place, client: TestClient):
    (place.checkpoint(4) / WEIGHTS_FILE).write_bytes(b"damaged")
    error = ask(client, f"{RESULT}:ckpt-step-4").json()["error"]
    assert error["code"] == "adapter_refused"
    assert error["message"].startswith("tcm@Xy12:ckpt-step-4/adapter_model.safetensors is no")
    assert str(place.home) not in json.dumps(error)


@pytest.mark.parametrize("linked", ["", "run", WEIGHTS_FILE, TEMPLATE_FILE])
def test_checkpoints_are_read_below_the_homes_runs_alone(
    place: Place, tmp_path_factory: pytest.TempPathFactory, linked: str
):
    outside = tmp_path_factory.mktemp("outside")
    folder = place.checkpoint(4, template=CHATML)
    moved = {"": folder, "run": place.served().parent}.get(linked, folder / linked)
    shutil.move(moved, outside / "it")
    moved.symlink_to(outside / "it")
    with pytest.raises(AdapterRefused, match="leads out of runs"):
        place.models.resolve(f"{RESULT}:ckpt-step-4")


def test_a_run_elsewhere_has_no_checkpoints_to_ask(place: Place, tmp_path: Path):
    job = place.make("ftjob-b", run=str(tmp_path / "my-run"), source="terminal")
    shutil.move(place.checkpoint(4), tmp_path / "my-run" / SERVED_FOLDER / "step-4")
    with pytest.raises(ModelGone):
        place.models.resolve(job.checkpoint(4))


def test_checkpoints_are_not_deleted(place: Place, client: TestClient):
    place.checkpoint(4)
    place.jobs.move("ftjob-Xy12", ["running"], fine_tuned_model="tcm@4")
    response = client.delete(f"/v1/models/{RESULT}:ckpt-step-4")
    assert response.status_code == 400
    assert "go when their job ends" in response.json()["error"]["message"]
    assert (place.served() / "step-4").is_dir()


def test_other_adapters_aliases_do_not_exist_for_a_key(place: Place, client: TestClient):
    keys = Keys(place.state)
    _, stranger = keys.create(KeyWish("stranger", adapters=["style"], scopes=["chat", "admin"]))
    _, guest = keys.create(KeyWish("guest", adapters=["tcm"]))
    place.checkpoint(4)
    aliases = [RESULT, f"{RESULT}:ckpt-step-4"]
    for alias in aliases:
        error = ask(client, alias, **bearer(stranger)).json()["error"]
        assert (error["code"], "tcm" in error["message"].partition("Adapters")[2]) == (
            "model_not_found",
            False,
        )
        assert client.get(f"/v1/models/{alias}", **bearer(stranger)).status_code == 404
        assert client.delete(f"/v1/models/{alias}", **bearer(stranger)).status_code == 404
        assert client.delete(f"/v1/models/{alias}", **bearer(guest)).status_code == 403
    place.succeed()
    assert ask(client, RESULT, **bearer(stranger)).status_code == 404
    assert ask(client, RESULT, **bearer(guest)).status_code == 200


def test_checkpoints_are_listed_to_their_jobs_owner_and_to_admins(place: Place, client: TestClient):
    keys = Keys(place.state)
    owner, owners = keys.create(KeyWish("owner", adapters=["base"], scopes=["chat", "train"]))
    _, other = keys.create(KeyWish("other", scopes=["chat", "train"]))
    _, admin = keys.create(KeyWish("admin", scopes=["admin", "chat"]))
    place.make("ftjob-b", key_id=owner.id)
    place.checkpoint(4, "ftjob-b")
    alias = "ft:smollm2-135m::tcm:b:ckpt-step-4"

    def listed(secret: str) -> list[str]:
        return [card["id"] for card in client.get("/v1/models", **bearer(secret)).json()["data"]]

    assert listed(owners) == ["base"]  # the name is not theirs yet
    assert listed(other) == ["base"]
    assert listed(admin) == ["base", alias]


def test_an_owner_who_may_use_the_name_sees_and_asks_the_checkpoint(
    place: Place, client: TestClient
):
    keys = Keys(place.state)
    owner, secret = keys.create(KeyWish("owner", adapters=["base"], scopes=["chat", "train"]))
    keys.allow(owner.id, "tcm")
    place.make("ftjob-b", key_id=owner.id)
    place.checkpoint(4, "ftjob-b")
    alias = "ft:smollm2-135m::tcm:b:ckpt-step-4"
    listed = client.get("/v1/models", **bearer(secret)).json()["data"]
    assert [card["id"] for card in listed] == ["base", alias]
    assert ask(client, alias, **bearer(secret)).status_code == 200
