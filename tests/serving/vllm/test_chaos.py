"""Servers in trouble, under load: no answer of a wrong adapter, none that fails to begin."""

from pathlib import Path

import pytest

from serving.vllm import client as client_module
from serving.vllm import watch as watch_module
from tests.serving.vllm.chaos import TROUBLES, Trouble, be_slow, forget, hang, rage, restart

MOST_GROWTH = 64 << 20  # [bytes]


@pytest.mark.parametrize(
    ("seconds", "num_servers", "troubles"),
    [
        pytest.param(12.0, 1, (forget, restart, hang, be_slow), id="one"),
        pytest.param(60.0, 3, TROUBLES, id="three", marks=pytest.mark.slow),
    ],
)
async def test_all_answers_are_right_and_all_begin(
    seconds: float,
    num_servers: int,
    troubles: tuple[Trouble, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(client_module, "LOOK", client_module.LOOK)  # to be what it was again
    monkeypatch.setattr(watch_module, "INTERVAL", watch_module.INTERVAL)
    found = await rage(seconds, num_servers, tmp_path, troubles)
    assert found.wrong == []
    assert found.refused == []
    assert found.ends["whole"] > 20 * seconds
    assert found.growth < MOST_GROWTH
