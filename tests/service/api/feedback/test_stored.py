"""Stored completions, as OpenAI's own client asks for them, and whose they are."""

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from openai import OpenAI
from openai.types.chat import ChatCompletion

from service.accounts.caller import ANYBODY
from service.accounts.keys import DAY
from service.app import build_app
from service.errors import AnswerNotFound
from service.feedback.answers import Answers
from service.jobs.desk import Desk
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.api.feedback.conftest import ANSWER, MESSAGES, Key, Start, ask
from tests.service.conftest import URL


@pytest.fixture
def openai_client(
    serve_app: Callable[..., str], build_stored: Callable[..., FastAPI]
) -> Generator[OpenAI]:
    url = f"{serve_app(build_stored())}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def stored(client: TestClient, headers: dict[str, str] | None = None, **query: Any) -> list[str]:
    answer = client.get("/v1/chat/completions", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def test_openais_client_stores_lists_marks_and_removes(openai_client: OpenAI):
    completions = openai_client.chat.completions
    made = completions.create(
        model="base", messages=MESSAGES, store=True, metadata={"病房": "三"}, user="甲", seed=7
    )
    found = completions.retrieve(made.id)
    ChatCompletion.model_validate(found.model_dump(exclude_unset=True), strict=True)
    assert found.choices[0].message == made.choices[0].message
    assert (found.system_fingerprint, found.usage) == (made.system_fingerprint, made.usage)
    told = found.to_dict()
    assert (told["metadata"], told["input_user"], told["seed"]) == ({"病房": "三"}, "甲", 7)
    assert [each.id for each in completions.list(metadata={"病房": "三"})] == [made.id]
    assert list(completions.list(metadata={"病房": "四"})) == []
    asked = list(completions.messages.list(made.id))
    assert [(each.role, each.content) for each in asked] == [
        (each["role"], each["content"]) for each in MESSAGES
    ]
    assert [each.id for each in asked] == [f"{made.id}-0", f"{made.id}-1"]
    marked: Any = completions.update(made.id, metadata={"rating": "down"})
    assert marked.metadata == {"rating": "down"}
    assert completions.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match="store: true"):
        completions.retrieve(made.id)


def test_pages_follow_one_another_in_both_orders(openai_client: OpenAI):
    completions = openai_client.chat.completions
    made = [completions.create(model="base", messages=MESSAGES, store=True).id for _ in range(5)]
    completions.create(model="base", messages=MESSAGES)
    assert [each.id for each in completions.list(limit=2)] == made
    assert [each.id for each in completions.list(limit=2, order="desc")] == made[::-1]
    assert [each.id for each in completions.list(model="none")] == []
    messages = completions.messages.list(made[0], limit=1, order="desc")
    assert [each.id for each in messages] == [f"{made[0]}-1", f"{made[0]}-0"]


def test_a_stream_is_stored_before_it_says_that_it_is_done(openai_client: OpenAI):
    completions = openai_client.chat.completions
    with completions.create(model="base", messages=MESSAGES, store=True, stream=True) as chunks:
        ids = {chunk.id for chunk in chunks}
    (found,) = list(completions.list())
    assert {found.id} == ids
    assert found.choices[0].message.content == ANSWER
    assert found.choices[0].finish_reason == "stop"


def test_several_choices_of_a_keys_stream_are_stored_without_log_probabilities(
    start: Start, key: Key
):
    client, anna = start(), key("anna")
    ask(client, anna, store=True, stream=True, n=2, logprobs=True)
    (found,) = client.get("/v1/chat/completions", headers=anna).json()["data"]
    assert [each["index"] for each in found["choices"]] == [0, 1]
    for choice in found["choices"]:
        assert (choice["message"]["content"], choice["logprobs"]) == (ANSWER, None)


def test_disclaimers_are_not_stored(start: Start, add_adapter: Any):
    add_adapter("tcm", disclaimer="Ask a doctor.")
    client = start(append_disclaimer=True)
    first = ask(client, model="tcm", store=True).json()
    said = first["choices"][0]["message"]["content"]
    assert said.endswith("Ask a doctor.")
    again = [*MESSAGES, {"role": "assistant", "content": said}, {"role": "user", "content": "?"}]
    second = ask(client, model="tcm", messages=again, store=True).json()["id"]
    for path in ("", f"/{first['id']}", f"/{second}/messages"):
        kept = client.get(f"/v1/chat/completions{path}").text
        assert ANSWER in kept
        assert "doctor" not in kept.replace('"disclaimer"', "")


def test_a_schema_beside_the_type_is_stored_as_it_was_sent(start: Start):
    client, form = start(), {"type": "json_object", "schema": {"type": "object"}}
    ask(client, store=True, response_format=form)
    assert client.get("/v1/chat/completions").json()["data"][0]["response_format"] == form


def test_calls_of_a_stream_are_stored_as_they_were_sent(start: Start, add_adapter: Any):
    template = '{{ tools }}<tool_call>\n{"name"{% for m in messages %}{{ m.content }}{% endfor %}'
    add_adapter("tcm", template=template)
    call = '<tool_call>\n{"name": "dose", "arguments": {"herb": "百合"}}\n</tool_call>'
    client = start(ScriptedEngine(default=f"Let me see.\n{call}"))
    tools = [{"type": "function", "function": {"name": "dose"}}]
    streamed = ask(client, model="tcm", tools=tools, store=True, stream=True).text
    (found,) = client.get("/v1/chat/completions").json()["data"]
    message = found["choices"][0]["message"]
    assert message["content"] == "Let me see."
    assert message["tool_calls"][0]["id"] in streamed
    assert message["tool_calls"][0]["function"]["name"] == "dose"
    assert found["choices"][0]["finish_reason"] == "tool_calls"
    assert (found["tools"], found["system_fingerprint"]) == (tools, "tcm@1:1")


@pytest.mark.parametrize(
    ("server", "own", "store", "kept"),
    [
        ("off", None, None, False),
        ("off", None, True, None),
        ("off", "asked", True, True),
        ("off", "all", None, True),
        ("asked", None, None, False),
        ("asked", None, True, True),
        ("all", None, None, True),
        ("all", None, False, False),
        ("all", "off", None, False),
        ("all", "off", True, None),
    ],
)
def test_the_operator_decides_for_the_server_and_for_each_key(
    start: Start, key: Key, server: str, own: str | None, store: bool | None, kept: bool | None
):
    """`kept` is None where the request is refused."""
    client, anna = start(store_answers=server), key("anna", store_answers=own)
    answer = ask(client, anna, store=store)
    assert answer.status_code == (400 if kept is None else 200)
    if kept is None:
        error = answer.json()["error"]
        assert (error["param"], error["code"]) == ("store", "unsupported_parameter")
        assert "store_answers" in error["message"]
    assert len(stored(client, anna)) == bool(kept)


def test_a_key_sees_its_own_answers_alone(start: Start, key: Key):
    client = start()
    anna, ben, root = key("anna"), key("ben"), key("root", scopes=("admin",))
    answer_id = ask(client, anna, store=True).json()["id"]
    path = f"/v1/chat/completions/{answer_id}"
    for method, below in (("GET", ""), ("GET", "/messages"), ("DELETE", "")):
        assert client.request(method, path + below, headers=ben).status_code == 404
    assert client.post(path, json={"metadata": None}, headers=ben).status_code == 404
    assert (
        client.get("/v1/chat/completions", params={"after": answer_id}, headers=ben).json()[
            "error"
        ]["param"]
        == "after"
    )
    assert (stored(client, ben), stored(client, anna)) == ([], [answer_id])
    assert stored(client, root) == [answer_id]
    assert client.delete(path, headers=root).status_code == 200


def test_personal_data_is_replaced_on_the_way_in(start: Start):
    client = start(ScriptedEngine(default="打给 13812345678。"), redact_answers=True)
    told = [{"role": "user", "content": "我的电话是 13912345678，失眠怎么办？"}]
    assert "13812345678" in ask(client, messages=told, store=True, user="甲").text
    kept = client.get("/v1/chat/completions").text
    (answer_id,) = stored(client)
    asked = client.get(f"/v1/chat/completions/{answer_id}/messages").text
    assert "失眠怎么办" in asked
    assert "13812345678" not in kept
    assert "13912345678" not in asked + kept
    assert "甲" not in kept


def test_what_is_removed_is_nowhere_in_the_home(start: Start, tmp_path: Path):
    client, secret = start(), "mandrake-root-4711"
    told = [{"role": "user", "content": secret}]
    answer_id = ask(client, messages=told, store=True).json()["id"]

    def traces() -> list[Path]:
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return [path for path in files if secret.encode() in path.read_bytes()]

    assert traces()
    client.delete(f"/v1/chat/completions/{answer_id}")
    assert traces() == []


def test_old_answers_are_forgotten(start: Start, own_state: State, tmp_path: Path):
    client, place = start(keep_answers=7), Desk(tmp_path).place
    answer_id = ask(client, store=True).json()["id"]
    for days, count in ((6, 0), (8, 1), (8, 0)):
        later = time.time() + days * DAY
        assert Answers(own_state, "another", 7, lambda later=later: later).sweep() == 0
        assert Answers(own_state, place, 7, lambda later=later: later).sweep() == count
    assert stored(client) == []
    ask(client, store=True)
    late = Answers(own_state, place, 7, lambda: time.time() + 8 * DAY)
    assert late.page(ANYBODY) == []
    with pytest.raises(AnswerNotFound):
        late.find(answer_id, ANYBODY)


@pytest.mark.parametrize("answer_id", ["chatcmpl-none", "a b", "x" * 500, "..%2f"])
def test_unknown_ids_are_not_found(start: Start, answer_id: str):
    client = start()
    assert client.get(f"/v1/chat/completions/{answer_id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"a": "x" * 513}}, "metadata"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ],
)
def test_wrong_metadata_changes_nothing(start: Start, body: Any, param: str):
    client = start()
    path = f"/v1/chat/completions/{ask(client, store=True, metadata={'a': 'b'}).json()['id']}"
    refused = client.post(path, json=body)
    assert refused.status_code == 400
    assert param in refused.json()["error"]["message"]
    assert client.get(path).json()["metadata"] == {"a": "b"}


def test_without_a_database_nothing_is_stored(models_here: Models):
    settings = ServiceSettings(store_answers="all")
    client = TestClient(build_app(ScriptedEngine(), models_here, settings), base_url=URL)
    with client:
        assert ask(client).status_code == 200
        refused = ask(client, store=True)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "store")
        assert client.get("/v1/chat/completions").status_code == 403


@pytest.mark.parametrize(
    "broken",
    [
        "DROP TABLE answers",
        "CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'no'); END",
    ],
)
def test_an_answer_is_given_although_it_cannot_be_stored(
    start: Start, own_state: State, caplog: pytest.LogCaptureFixture, broken: str
):
    client = start()
    told = [{"role": "user", "content": "mandrake-root-4711"}]
    with own_state.begin() as connection:
        connection.exec_driver_sql(broken)
    assert ask(client, messages=told, store=True).status_code == 200
    assert "is not stored" in caplog.text
    assert "mandrake" not in caplog.text
