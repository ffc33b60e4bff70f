"""What is dropped into the adapters' folder is met by itself."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from finetune.adapters.files import WEIGHTS_FILE
from serving.engine import AdapterRef, Engine, LoadReport
from serving.scripted import ScriptedEngine

Add = Callable[..., Path]
Wait = Callable[..., None]
Open = Callable[[Engine], TestClient]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("polling", ["false", "true"])
def test_folder_dropped_in_is_in_memory_within_two_seconds(
    open_client: Open,
    add_adapter: Add,
    wait_until: Wait,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    polling: str,
):
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", polling)
    engine = ScriptedEngine()
    open_client(engine)
    begun = time.monotonic()
    add_adapter("中医")
    wait_until(lambda: bool(engine.adapters))
    assert time.monotonic() - begun < 2
    wait_until(lambda: "The adapter 中医@1 is here, in memory" in caplog.text)


def test_where_there_is_no_room_nothing_is_loaded(
    open_client: Open, add_adapter: Add, wait_until: Wait, caplog: pytest.LogCaptureFixture
):
    engine = ScriptedEngine(adapter_bytes=10)
    open_client(engine)
    add_adapter("tcm")
    wait_until(lambda: "The adapter tcm@1 is here" in caplog.text)
    assert "in memory" not in caplog.text
    assert engine.adapters == {}


def test_one_that_breaks_the_engine_keeps_no_other_from_being_met(
    open_client: Open,
    add_adapter: Add,
    wait_until: Wait,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    engine = ScriptedEngine()
    load = engine.load

    async def break_at_first(ref: AdapterRef) -> LoadReport:
        if ref.name == "odd":
            raise RuntimeError("nobody foresaw this")
        return await load(ref)

    monkeypatch.setattr(engine, "load", break_at_first)
    open_client(engine)
    add_adapter("odd")
    wait_until(lambda: "nobody foresaw this" in caplog.text)
    add_adapter("tcm")
    wait_until(lambda: "The adapter tcm@1 is here, in memory" in caplog.text)


def test_damaged_folder_is_named_once_and_met_when_it_is_mended(
    open_client: Open, add_adapter: Add, wait_until: Wait, caplog: pytest.LogCaptureFixture
):
    engine = ScriptedEngine()
    client = open_client(engine)
    weights = add_adapter("tcm") / WEIGHTS_FILE
    sound = weights.read_bytes()
    weights.write_bytes(b"damaged")
    wait_until(lambda: "The adapter tcm is not listed" in caplog.text)
    for _ in range(3):
        assert len(client.get("/v1/models").json()["data"]) == 1
    assert caplog.text.count("The adapter tcm is not listed") == 1
    weights.write_bytes(sound)
    wait_until(lambda: bool(engine.adapters))
    shutil.rmtree(weights.parent.parent)
    wait_until(lambda: "The adapter tcm is gone" in caplog.text)
    assert client.get("/v1/models/tcm").status_code == 404
