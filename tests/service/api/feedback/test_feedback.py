"""Feedback: what may be said of an answer, by whom, and what stays of it."""

import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.accounts.keys import DAY
from service.feedback.answers import Answers
from service.jobs.desk import Desk
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.api.feedback.conftest import ANSWER, MESSAGES, Key, Start, ask
from tests.service.conftest import URL

CORRECTION = "少喝咖啡，早睡。"
PATH = "/v1/feedback"


@pytest.fixture
def client(start: Start) -> TestClient:
    return start()


def give(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return client.post(PATH, json=fields, headers=headers)


def listed(client: TestClient, headers: dict[str, str] | None = None, **query: Any) -> list[str]:
    answer = client.get(PATH, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def param_of(answer: Any) -> str:
    assert answer.status_code in (400, 404), answer.text
    return answer.json()["error"]["param"]


def test_it_is_bound_to_the_versions_that_answered_and_to_all_that_was_asked(
    start: Start, add_adapter: Any
):
    add_adapter("tcm")
    client = start()
    answer = ask(client, model="tcm", store=True, n=2, user="甲").json()
    add_adapter("tcm", "2")
    given = give(client, completion_id=answer["id"], choice=1, rating=-1, correction=CORRECTION)
    assert given.status_code == 200, given.text
    item = given.json()
    assert (item["model"], item["system_fingerprint"], item["state"]) == ("tcm", "tcm@1:1", "new")
    assert (item["messages"], item["answer"]["message"]["content"]) == (MESSAGES, ANSWER)
    assert (item["rating"], item["correction"], item["user"]) == (-1, CORRECTION, "甲")
    assert client.get(f"{PATH}/{item['id']}").json() == item


def test_it_is_changed_part_by_part_and_forgotten(client: TestClient):
    answer_id = ask(client, store=True).json()["id"]
    reasons = ["剂量不对", "not our practice"]
    item = give(client, completion_id=answer_id, rating=-1, reasons=reasons).json()
    path = f"{PATH}/{item['id']}"
    changed = client.patch(path, json={"correction": CORRECTION, "critical": True}).json()
    assert changed | {"updated_at": item["updated_at"]} == item | {
        "correction": CORRECTION,
        "critical": True,
    }
    taken_back = client.patch(path, json={"correction": None, "critical": False}).json()
    assert taken_back | {"updated_at": item["updated_at"]} == item
    assert param_of(client.patch(path, json={"rating": None, "reasons": []})) == "rating"
    assert client.get(path).json()["rating"] == -1
    assert client.delete(path).json() == {
        "id": item["id"],
        "object": "feedback",
        "deleted": True,
    }
    assert client.get(path).status_code == 404


def test_lists_have_pages_and_are_of_a_model_an_answer_or_a_rating(client: TestClient):
    first, second = (ask(client, store=True).json()["id"] for _ in range(2))
    made = [
        give(client, completion_id=answer, rating=rating).json()["id"]
        for answer, rating in ((first, 1), (first, -1), (second, 1))
    ]
    assert listed(client) == made[::-1]
    assert listed(client, order="asc", limit=2) == made[:2]
    assert listed(client, order="asc", limit=2, after=made[1]) == made[2:]
    assert listed(client, completion_id=first) == made[1::-1]
    assert listed(client, rating=1) == [made[2], made[0]]
    assert listed(client, model="base", rating=-1) == [made[1]]
    assert listed(client, model="tcm") == listed(client, model="\0") == []
    assert listed(client, adapter="base", rating=-1) == [made[1]]
    assert listed(client, adapter="tcm") == listed(client, adapter="\0") == []
    assert param_of(client.get(PATH, params={"after": "fb-000000000000"})) == "after"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "rating"),
        ({"rating": 2}, "rating"),
        ({"rating": True}, "rating"),
        ({"correction": ""}, "correction"),
        ({"correction": "a\0"}, "correction"),
        ({"reasons": ["x"] * 17}, "reasons"),
        ({"reasons": ["x" * 65]}, "reasons"),
        ({"note": "x" * 4001}, "note"),
        ({"rating": 1, "choice": 1}, "choice"),
        ({"rating": 1, "choice": -1}, "choice"),
        ({"rating": 1, "completion_id": "chatcmpl-none"}, "completion_id"),
        ({"rating": 1, "siblings": ["chatcmpl-none"]}, "siblings"),
        ({"rating": 1, "corection": "misspelt"}, "corection"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused_by_name(
    client: TestClient, fields: dict[str, Any], param: str
):
    answer_id = ask(client, store=True).json()["id"]
    assert param_of(give(client, **{"completion_id": answer_id} | fields)).startswith(param)
    assert listed(client) == []


def test_siblings_are_answers_to_pick_from(client: TestClient):
    first, second = (ask(client, store=True).json()["id"] for _ in range(2))
    item = give(client, completion_id=first, siblings=[second]).json()
    assert item["siblings"] == [second]


def test_a_key_sees_and_judges_its_own_alone(start: Start, key: Key):
    client = start()
    anna, ben, root = key("anna"), key("ben"), key("root", scopes=("admin",))
    answer_id = ask(client, anna, store=True).json()["id"]
    assert param_of(give(client, ben, completion_id=answer_id, rating=1)) == "completion_id"
    item = give(client, anna, completion_id=answer_id, rating=1).json()
    path = f"{PATH}/{item['id']}"
    for method in ("GET", "DELETE"):
        assert client.request(method, path, headers=ben).status_code == 404
    assert client.patch(path, json={"rating": -1}, headers=ben).status_code == 404
    assert param_of(client.get(PATH, params={"after": item["id"]}, headers=ben)) == "after"
    assert (listed(client, ben), listed(client, anna)) == ([], [item["id"]])
    assert listed(client, root) == [item["id"]]
    judged = give(client, root, completion_id=answer_id, rating=-1).json()
    assert judged["id"] in listed(client, anna), "what is said of their answer is theirs to see"


def test_it_stays_when_its_answer_is_forgotten_because_of_its_age(
    client: TestClient, own_state: State, tmp_path: Path
):
    answer_id = ask(client, store=True).json()["id"]
    kept = give(client, completion_id=answer_id, rating=-1, correction=CORRECTION).json()
    late = Answers(own_state, Desk(tmp_path).place, 7, lambda: time.time() + 8 * DAY)
    assert late.sweep() == 1
    assert client.get(f"{PATH}/{kept['id']}").json() == kept


def test_removing_an_answer_removes_what_was_said_of_it(client: TestClient, tmp_path: Path):
    answer_id, secret = ask(client, store=True).json()["id"], "mandrake-root-4711"
    give(client, completion_id=answer_id, correction=secret, note=secret)

    def traces() -> list[Path]:
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return [path for path in files if secret.encode() in path.read_bytes()]

    assert traces()
    client.delete(f"/v1/chat/completions/{answer_id}")
    assert listed(client) == []
    assert traces() == []


def test_what_is_taken_back_is_nowhere_in_the_home(client: TestClient, tmp_path: Path):
    answer_id, secret = ask(client, store=True).json()["id"], "mandrake-root-4711"
    item = give(client, completion_id=answer_id, rating=-1, note=secret).json()
    client.patch(f"{PATH}/{item['id']}", json={"note": None})
    files = (path for path in tmp_path.rglob("*") if path.is_file())
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_of_one_answer_so_much_is_kept(client: TestClient):
    answer_id = ask(client, store=True).json()["id"]
    assert {give(client, completion_id=answer_id, rating=1).status_code for _ in range(20)} == {200}
    refused = give(client, completion_id=answer_id, rating=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "limit_reached")


def test_siblings_are_checked_when_they_are_changed_too(client: TestClient):
    answer_id = ask(client, store=True).json()["id"]
    item = give(client, completion_id=answer_id, rating=1).json()
    refused = client.patch(f"{PATH}/{item['id']}", json={"siblings": ["chatcmpl-none"]})
    assert param_of(refused) == "siblings"


def test_personal_data_is_replaced_on_the_way_in(start: Start):
    client = start(redact_answers=True)
    answer_id, phone = ask(client, store=True).json()["id"], "打给 13812345678。"
    item = give(client, completion_id=answer_id, correction=phone).json()
    changed = client.patch(f"{PATH}/{item['id']}", json={"note": phone})
    assert "13812345678" not in changed.text
    assert changed.json()["note"].startswith("打给 [")


def test_without_a_database_there_is_none(models_here: Models):
    from service.app import build_app

    settings = ServiceSettings(store_answers="all")
    with TestClient(build_app(ScriptedEngine(), models_here, settings), base_url=URL) as client:
        refused = give(client, completion_id="chatcmpl-1", rating=1)
        assert refused.status_code == 403
        assert "no database" in refused.json()["error"]["message"]


def test_an_admin_reviews_and_whoever_gave_it_sees_the_state(start: Start, key: Key):
    client, admin = start(), key("head", scopes=("admin",))
    desk, other = key("desk", scopes=("chat",)), key("other", scopes=("chat",))
    answer_id = ask(client, desk, store=True).json()["id"]
    item = give(client, desk, completion_id=answer_id, correction="请打 13812345678。").json()
    assert (item["personal"], item["faults"], item["contradicts"]) == (["phone number"], [], [])
    path = f"{PATH}/{item['id']}"
    assert (
        client.post(f"{path}/review", json={"decision": "accept"}, headers=desk).status_code == 403
    )
    body = {"decision": "accept", "answer": CORRECTION, "critical": True}
    reviewed = client.post(f"{path}/review", json=body, headers=admin)
    assert reviewed.status_code == 200, reviewed.text
    found = client.get(path, headers=desk).json()
    assert (found["state"], found["edited"], found["critical"]) == ("edited", CORRECTION, True)
    assert found["reviewed_at"] is not None
    assert client.get(path, headers=other).status_code == 404
    assert listed(client, admin, state="edited") == [item["id"]]
    assert listed(client, admin, state="new") == []
    rival = give(client, desk, completion_id=answer_id, correction="多走路。").json()
    assert (rival["contradicts"], rival["faults"]) == ([item["id"]], ["contradicts"])


def test_the_disclaimer_of_the_version_that_answered_is_looked_for(start: Start, add_adapter: Any):
    add_adapter("tcm", disclaimer="仅供参考，不是医嘱。")
    client = start()
    answer_id = ask(client, model="tcm", store=True).json()["id"]
    said = f"{CORRECTION}仅供参考，不是医嘱。"
    item = give(client, completion_id=answer_id, correction=said).json()
    assert item["faults"] == ["no_disclaimer"]
    shortened = client.patch(f"{PATH}/{item['id']}", json={"correction": CORRECTION}).json()
    assert shortened["faults"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"decision": "maybe"}, "decision"),
        ({"decision": "accept"}, "answer"),
        ({"decision": "accept", "answer": ""}, "answer"),
        ({"decision": "reject", "answer": "x"}, "answer"),
        ({"decision": "accept", "anwser": "x"}, "anwser"),
    ],
)
def test_a_review_that_cannot_be_is_refused(client: TestClient, body: Any, param: str):
    answer_id = ask(client, store=True).json()["id"]
    item = give(client, completion_id=answer_id, rating=-1).json()
    refused = client.post(f"{PATH}/{item['id']}/review", json=body)
    assert (refused.status_code, param_of(refused)) == (400, param)
    assert client.get(f"{PATH}/{item['id']}").json()["state"] == "new"
