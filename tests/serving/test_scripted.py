import asyncio
import math
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from serving.engine import AdapterRef, Delta, Engine, EngineStats, Request, Sampling
from serving.errors import EngineFailed, PromptTooLong
from serving.scripted import ScriptedEngine

TCM = AdapterRef("tcm", "1", "0" * 64, Path("tcm"))


def request(max_tokens: int = 100, adapter: AdapterRef | None = None) -> Request:
    blend = () if adapter is None else ((adapter, 1.0),)
    return Request("r", (1, 2, 3), blend=blend, sampling=Sampling(max_tokens=max_tokens))


def run(engine: Engine, asked: Request) -> list[Delta]:
    async def collect() -> list[Delta]:
        await engine.start()
        return [delta async for delta in engine.submit(asked)]

    return asyncio.run(collect())


def test_answer_comes_a_few_characters_a_delta():
    deltas = run(ScriptedEngine(default="Hello!"), request())
    assert [delta.text for delta in deltas] == ["Hel", "lo!", ""]
    assert [delta.finish_reason for delta in deltas] == [None, None, "stop"]


@pytest.mark.parametrize(("max_tokens", "reason"), [(1, "length"), (2, "stop")])
def test_answer_past_max_tokens_ends_for_its_length(max_tokens: int, reason: str):
    deltas = run(ScriptedEngine(default="Hello!"), request(max_tokens))
    assert sum(len(delta.token_ids) for delta in deltas) == max_tokens
    assert deltas[-1].finish_reason == reason


def test_log_probabilities_are_well_formed_where_asked_for():
    asked = replace(request(), sampling=Sampling(top_logprobs=3))
    *deltas, last = run(ScriptedEngine(default="Hello!"), asked)
    assert last.logprobs == ()
    for delta in deltas:
        (told,) = delta.logprobs
        assert (told.token_id,) == delta.token_ids
        assert told.top[0] == (told.token_id, told.logprob)
        values = [value for _, value in told.top]
        assert values == sorted(values, reverse=True)
        assert sum(math.exp(value) for value in values) < 1
    assert all(delta.logprobs == () for delta in run(ScriptedEngine(), request()))


def test_answer_is_chosen_by_the_adapters_names():
    by_mapping = ScriptedEngine({("tcm",): "Ginger."}, default="Base.")
    by_function = ScriptedEngine(lambda names: "+".join(names) or "Base.")
    assert "".join(d.text for d in run(by_mapping, request(adapter=TCM))) == "Ginger."
    assert "".join(d.text for d in run(by_mapping, request())) == "Base."
    assert "".join(d.text for d in run(by_function, request(adapter=TCM))) == "tcm"


def test_failure_is_raised_in_the_place_of_its_token():
    engine = ScriptedEngine(default="Hello!", failure=EngineFailed("no"), fail_at=1)

    with pytest.raises(EngineFailed, match="no"):
        run(engine, request())
    assert engine.num_tokens == 1
    assert (engine.running, engine.cancelled) == ({}, [])


def test_prompt_without_room_for_the_answer_is_too_long():
    with pytest.raises(PromptTooLong, match="3 prompt tokens"):
        run(ScriptedEngine(context_length=102), request(100))


def test_closing_the_iterator_is_recorded_as_a_cancellation():
    engine = ScriptedEngine()

    async def leave() -> EngineStats:
        await engine.start()
        async with aclosing(engine.submit(request())) as deltas:
            await anext(deltas)
            return engine.stats()

    assert asyncio.run(leave()).num_running == 1
    assert engine.cancelled == engine.requests == [request()]
    assert engine.stats().num_running == 0


def test_stopped_engine_fails_its_requests():
    engine = ScriptedEngine()

    async def stop_in_the_middle() -> None:
        await engine.start()
        async with aclosing(engine.submit(request())) as deltas:
            await anext(deltas)
            await engine.stop()
            with pytest.raises(EngineFailed):
                await anext(deltas)

    asyncio.run(stop_in_the_middle())


def test_loaded_adapters_are_counted():
    engine = ScriptedEngine()
    report = asyncio.run(engine.load(TCM))
    assert report.matched
    assert engine.stats().num_resident_adapters == 1
    assert engine.stats().num_resident_bytes == report.num_bytes
    assert engine.holds(TCM)
    assert asyncio.run(engine.unload(TCM)) == report.num_bytes
    assert asyncio.run(engine.unload(TCM)) == 0
    assert engine.stats().num_resident_adapters == 0
    assert not engine.holds(TCM)
