from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from serving.engine import Engine
from serving.scripted import ScriptedEngine

RIGHT = '{"model":"base","messages":[{"role":"user","content":"Hi"}]}'


@pytest.fixture
def client(open_client: Callable[[Engine], TestClient]) -> TestClient:
    return open_client(ScriptedEngine())


def post(client: TestClient, body: str | bytes) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/chat/completions", content=body, headers=headers)
    answer = response.json()
    return response.status_code, answer["error"]["message"] if "error" in answer else ""


def test_right_body_is_read(client: TestClient):
    assert post(client, RIGHT) == (200, "")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (RIGHT[:-1] + ',"model":"base"}', "has the key 'model' twice in one object"),
        (RIGHT.replace('"role"', '"content":"x","role"'), "has the key 'content' twice"),
        (RIGHT[:-1] + ',"unknown":[NaN]}', "holds NaN, which is no JSON number"),
        (RIGHT[:-1] + ',"unknown":-Infinity}', "holds -Infinity, which is no JSON number"),
        (RIGHT[:-1] + ',"unknown":' + "9" * 5_000 + "}", "holds a number that is too long"),
        ("[" * 100_000, "is nested too deeply"),
        (RIGHT.replace("Hi", "中").encode()[:-5], "is not UTF-8 at byte 54"),
        (RIGHT[:-1], "is not valid JSON"),
    ],
)
def test_fault_of_a_body_is_said(client: TestClient, body: str | bytes, fault: str):
    status, message = post(client, body)
    assert (status, fault in message) == (400, True), message


def test_same_key_in_two_objects_is_no_fault(client: TestClient):
    assert post(client, RIGHT[:-1] + ',"x":{"a":{"a":1}}}') == (200, "")
