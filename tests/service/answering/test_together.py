"""Several answers to one request: together, apart by their index, and ended together."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from service.answering.job import split
from service.answering.together import Numbered
from serving.engine import Delta, Request, Sampling
from serving.errors import EngineBusy, EngineFailed
from serving.scripted import ScriptedEngine
from tests.service.answering.conftest import answering_on, job_of

Ask = Callable[..., Any]
REQUEST = Request("r", (1, 2, 3), sampling=Sampling(seed=2**63 - 1))


class OneFails(ScriptedEngine):
    """The last of three answers fails, at its beginning or after a token."""

    def __init__(self, failure: Exception, fail_after: int) -> None:
        super().__init__(default="word " * 100, delay=0.001)
        self._fail_after = fail_after
        self._error = failure

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        count = 0
        async with aclosing(super().submit(request)) as deltas:
            if request.id.endswith("-2") and self._fail_after == 0:
                raise self._error
            async for delta in deltas:
                yield delta
                count += 1
                if request.id.endswith("-2") and count == self._fail_after:
                    raise self._error


def run(engine: ScriptedEngine, count: int) -> AsyncGenerator[Numbered]:
    return answering_on(engine).run(job_of(split(REQUEST, count)))


def collect(engine: ScriptedEngine, count: int) -> list[Numbered]:
    async def start() -> list[Numbered]:
        await engine.start()
        return [each async for each in run(engine, count)]

    return asyncio.run(start())


@pytest.mark.parametrize("count", [1, 4])
def test_every_answer_is_whole(count: int):
    news = collect(ScriptedEngine(default="Hello!"), count)
    for index in range(count):
        deltas = [delta for at, delta in news if at == index]
        assert "".join(delta.text for delta in deltas) == "Hello!"
        assert deltas[-1].finish_reason == "stop"


def test_answers_come_side_by_side():
    indices = [index for index, _ in collect(ScriptedEngine(default="word " * 9, delay=0.001), 3)]
    assert set(indices[:3]) == {0, 1, 2}
    assert indices != sorted(indices)


@pytest.mark.parametrize("count", [1, 3])
def test_closing_cancels_them_all(count: int):
    engine = ScriptedEngine(default="word " * 100, delay=0.001)

    async def leave() -> None:
        await engine.start()
        async with aclosing(run(engine, count)) as news:
            await anext(news)

    asyncio.run(leave())
    assert engine.running == {}
    assert len(engine.cancelled) == len(engine.requests) == count


@pytest.mark.parametrize("fail_after", [0, 2])
def test_an_error_in_one_is_raised_and_ends_the_others(fail_after: int):
    engine = OneFails(EngineFailed("no"), fail_after)
    with pytest.raises(EngineFailed, match="no"):
        collect(engine, 3)
    assert engine.running == {}
    assert engine.num_tokens < 100


def test_a_cancelled_task_cancels_them_all():
    engine = ScriptedEngine(default="word " * 100, delay=0.001)

    async def cancel() -> None:
        await engine.start()
        task = asyncio.ensure_future(_exhaust(run(engine, 3)))
        while engine.num_tokens < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert engine.running == {}
    assert len(engine.cancelled) == 3


async def _exhaust(stream: AsyncGenerator[Numbered]) -> None:
    async with aclosing(stream) as news:
        async for _ in news:
            pass


def test_seeds_are_one_apart():
    seeds = [request.sampling.seed for request in split(REQUEST, 2)]
    assert seeds == [2**63 - 1, 2**63]


@pytest.mark.parametrize("stream", [False, True])
def test_no_room_for_one_answer_is_429_for_all(ask: Ask, stream: bool):
    engine = OneFails(EngineBusy("The queue is full."), 0)
    assert ask(engine, n=3, stream=stream).status_code == 429
    assert engine.running == {}


def test_streamed_answers_each_have_role_content_and_end(ask: Ask):
    response = ask(
        ScriptedEngine(default="甲乙丙丁"), n=2, stream=True, stream_options={"include_usage": True}
    )
    *payloads, done = [block.removeprefix("data: ") for block in response.text.split("\n\n")[:-1]]
    assert done == "[DONE]"
    *chunks, last = [json.loads(payload) for payload in payloads]
    assert len({chunk["id"] for chunk in chunks}) == 1
    for index in range(2):
        mine = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert [choice["delta"] for choice in mine] == [
            {"role": "assistant", "content": ""},
            {"content": "甲乙丙"},
            {"content": "丁"},
            {},
        ]
        assert [choice["finish_reason"] for choice in mine] == [None, None, None, "stop"]
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 4)
    assert all(chunk["usage"] is None for chunk in chunks)


def test_an_answer_without_an_end_is_an_error(ask: Ask):
    class Endless(ScriptedEngine):
        async def submit(self, request: Request) -> AsyncGenerator[Delta]:
            yield Delta((1,), "a")

    assert ask(Endless()).status_code == 500
    assert "without saying why" in ask(Endless(), stream=True, n=2).text


def test_the_failure_of_one_is_the_outcome_of_all(ask: Ask, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    assert ask(OneFails(EngineFailed("no"), 2), n=3).status_code == 500
    (fields,) = [
        record.__dict__["fields"] for record in caplog.records if hasattr(record, "fields")
    ]
    assert fields["finish"] == "EngineFailed"
