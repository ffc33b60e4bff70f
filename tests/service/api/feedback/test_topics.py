"""Feedback by topic over the API: what a key sees of it, and what an admin does."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.models import Models
from service.settings import ServiceSettings
from serving.scripted import ScriptedEngine
from tests.service.api.feedback.conftest import Key, Start, ask
from tests.service.conftest import URL

PATH = "/v1/feedback/topics"


def judge(client: TestClient, headers: Any, question: str, **said: Any) -> None:
    messages = [{"role": "user", "content": question}]
    answer_id = ask(client, headers, messages=messages, store=True).json()["id"]
    body = {"completion_id": answer_id} | said
    assert client.post("/v1/feedback", json=body, headers=headers).status_code == 200


def topics(client: TestClient, headers: Any = None, **query: Any) -> list[Any]:
    answer = client.get(PATH, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["left_out"] == 0
    return answer.json()["data"]


def test_nothing_of_another_keys_feedback_is_in_a_keys_topics(start: Start, key: Key):
    client = start()
    anna, ben, carl, root = *map(key, ("anna", "ben", "carl")), key("root", scopes=("admin",))
    judge(client, anna, "失眠怎么办？", rating=-1, reasons=["剂量不对"])
    judge(client, ben, "失眠多梦，吃点什么？", rating=1)
    (own,) = topics(client, ben)
    assert (own["version"], own["answers"], own["bad"]) == ("base", 1, 0)
    assert "剂量不对" not in str(own)
    assert "失眠怎么办" not in str(own)
    (every,) = topics(client, root)
    assert (every["answers"], every["bad"]) == (2, 1)
    (topic,) = every["topics"]
    assert (topic["label"], topic["examples"]) == ("失眠", ["失眠怎么办？"])
    assert topic["wrong"] == [{"what": "剂量不对", "by": "person", "answers": 1}]
    assert client.get(PATH).status_code == 401
    assert topics(client, carl) == []


def test_topics_are_of_one_adapter_and_as_many_as_are_wished(start: Start):
    client = start()
    for question in ("失眠", "便秘", "咳嗽"):
        judge(client, None, question, rating=-1)
    (version,) = topics(client, adapter="base", limit=2)
    assert (len(version["topics"]), version["more_topics"], version["bad"]) == (2, 1, 3)
    assert topics(client, adapter="tcm") == []


@pytest.mark.parametrize("limit", [0, 101, "x"])
def test_a_limit_that_cannot_be_is_refused(start: Start, limit: Any):
    refused = start().get(PATH, params={"limit": limit})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "limit")


def test_without_a_database_there_are_none(models_here: Models):
    from service.app import build_app

    with TestClient(
        build_app(ScriptedEngine(), models_here, ServiceSettings()), base_url=URL
    ) as client:
        assert client.get(PATH).status_code == 403
