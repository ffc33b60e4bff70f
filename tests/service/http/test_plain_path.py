from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serving.engine import Engine
from serving.scripted import ScriptedEngine


@pytest.mark.parametrize("end", ["%0A", "%00", "%0D%0AX:1", "%7F", "%C2%85"])
def test_control_character_in_a_path_is_refused(
    open_client: Callable[[Engine], TestClient], add_adapter: Callable[..., Path], end: str
):
    add_adapter("tcm")
    response = open_client(ScriptedEngine()).get(f"/v1/models/tcm{end}")
    assert response.status_code == 400
    assert "control character" in response.json()["error"]["message"]


@pytest.mark.parametrize("name", ["tcm", "中医", "e\u0301", "👩\u200d⚕"])
def test_other_characters_are_let_through(
    open_client: Callable[[Engine], TestClient], add_adapter: Callable[..., Path], name: str
):
    add_adapter("tcm")
    response = open_client(ScriptedEngine()).get(f"/v1/models/{name}")
    assert response.status_code == (200 if name == "tcm" else 404)
