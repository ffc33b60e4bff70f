from collections.abc import Callable

from fastapi.testclient import TestClient

from serving.scripted import ScriptedEngine


def test_the_page_shows_every_endpoint_and_loads_nothing(open_client: Callable[..., TestClient]):
    client = open_client(ScriptedEngine())
    response = client.get("/docs")
    assert response.status_code == 200
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in response.text
    assert "ChatRequest" in response.text
    for loading in ("<script", "<link", "<img", "://"):
        assert loading not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_page_that_would_need_a_network_is_not_there(open_client: Callable[..., TestClient]):
    assert open_client(ScriptedEngine()).get("/redoc").status_code == 404
