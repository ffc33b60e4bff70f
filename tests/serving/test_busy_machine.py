"""Both engines leave other programs their share of the cores, and say so."""

import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from finetune.free_cores import usable_cores
from serving.engine import Engine, Request
from tests.serving.engines import (
    ENGINES,
    GREEDY,
    PROMPTS,
    collect,
    encode,
    needs_llamacpp,
    running,
    token_ids,
)

OPTIONS: dict[str, dict[str, Any]] = {"torch": {}, "llamacpp": {"num_threads": 2}}

pytestmark = pytest.mark.skipif(len(usable_cores()) < 2, reason="there is nothing to give up")


@pytest.fixture
def two_threads() -> Any:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


async def until_threads(engine: Engine, count: int) -> None:
    async with asyncio.timeout(30):
        while engine.stats().num_threads != count:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["torch", pytest.param("llamacpp", marks=needs_llamacpp)])
async def test_an_engine_takes_fewer_threads_beside_busy_programs(
    name: str,
    make_base: Any,
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    base, cores = make_base(), len(usable_cores())
    request = Request("a", encode(base, PROMPTS[0]), sampling=GREEDY)
    async with running(base, ENGINES[name], **OPTIONS[name]) as engine:
        assert engine.stats().num_threads == 2
        expected = token_ids(await collect(engine, request))

        def busy(percpu: bool) -> list[Any]:
            """All cores, by others."""
            core = SimpleNamespace(user=2 * time.monotonic(), system=0.0, nice=0.0)
            return [core] * (max(usable_cores()) + 1)

        monkeypatch.setattr(psutil, "cpu_times", busy)
        until = asyncio.create_task(until_threads(engine, 1))
        while not until.done():
            assert len(token_ids(await collect(engine, request))) == len(expected)
        await until
        assert engine.stats().cores_elsewhere > cores - 1
    assert "Other programs use" in caplog.text
    assert "computing with 1 thread," in caplog.text
