import asyncio
from collections.abc import Coroutine, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.accounts.caller import Caller, Limits, current_caller, paid_prompts
from service.accounts.rate_limit import RateLimits
from service.accounts.usage import UsageLedger, read_usage
from service.answering.guarded_engine import GuardedEngine
from service.api.choices import run_together, split
from service.errors import RateLimited
from service.state.database import State
from serving.engine import AdapterRef, Request, Sampling
from serving.errors import EngineFailed, ModelNotFound, PromptTooLong
from serving.scripted import ScriptedEngine

ANNA = Caller("key_1", "anna", adapters=frozenset({"tcm"}), limits=Limits(tokens_per_minute=60))
TCM, BIKE = (AdapterRef(name, "1", name, Path(name)) for name in ("tcm", "bike"))


@pytest.fixture(autouse=True)
def _asks() -> Generator[None]:
    tokens = current_caller.set(ANNA), paid_prompts.set([])
    yield
    current_caller.reset(tokens[0])
    paid_prompts.reset(tokens[1])


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(lambda: 0.0)


@pytest.fixture
def ledger(own_state: State) -> UsageLedger:
    return UsageLedger(own_state)


@pytest.fixture
def guard(limits: RateLimits, ledger: UsageLedger) -> Any:
    return lambda engine: GuardedEngine(engine, "base", limits, ledger)


def request(*refs: AdapterRef, prompt: int = 10, max_tokens: int = 256) -> Request:
    blend = tuple((ref, 1.0) for ref in refs)
    sampling = Sampling(max_tokens=max_tokens)
    return Request("1", tuple(range(prompt)), blend=blend, sampling=sampling)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def answer(engine: GuardedEngine, asked: Request, at_most: int = 999) -> list[str]:
    """As many texts as asked for, and then the stream is closed."""
    await engine.start()
    stream = engine.submit(asked)
    texts: list[str] = []
    try:
        async for delta in stream:
            texts.append(delta.text)
            if len(texts) == at_most:
                break
    finally:
        await stream.aclose()
        await engine.stop()
    return texts


def counts(state: State) -> dict[str, tuple[int, int, int]]:
    return {
        account.model: (count.requests, count.prompt_tokens, count.completion_tokens)
        for account, count in read_usage(state, None, 0)
    }


@pytest.mark.parametrize("refs", [(), (BIKE,), (TCM, BIKE)])
def test_what_the_caller_may_not_use_is_not_found_and_costs_nothing(
    guard: Any, own_state: State, refs: tuple[AdapterRef, ...]
):
    engine = ScriptedEngine()
    with pytest.raises(ModelNotFound, match=r"Adapters here: tcm\."):
        run(answer(guard(engine), request(*refs)))
    assert engine.requests == []
    assert counts(own_state) == {}


def test_an_answer_costs_its_prompt_and_its_tokens(
    guard: Any, own_state: State, limits: RateLimits
):
    texts = run(answer(guard(ScriptedEngine(default="123456789")), request(TCM)))
    assert texts == ["123", "456", "789", ""]
    assert counts(own_state) == {"tcm": (1, 10, 3)}
    assert limits.admit(ANNA, generates=True)["x-ratelimit-remaining-tokens"] == str(60 - 13)


def test_a_client_that_leaves_pays_for_what_was_computed(
    guard: Any, own_state: State, limits: RateLimits
):
    engine = ScriptedEngine(default="x" * 3000)
    run(answer(guard(engine), request(TCM, prompt=100), at_most=2))
    assert len(engine.cancelled) == 1
    assert counts(own_state) == {"tcm": (1, 100, 2)}
    with pytest.raises(RateLimited):
        limits.admit(ANNA, generates=True)


def test_what_the_engine_refuses_is_free_and_what_breaks_later_is_not(guard: Any, own_state: State):
    with pytest.raises(PromptTooLong):
        run(answer(guard(ScriptedEngine(context_length=20)), request(TCM)))
    assert counts(own_state) == {}
    broken = ScriptedEngine(default="x" * 30, failure=EngineFailed("It broke."), fail_at=4)
    with pytest.raises(EngineFailed):
        run(answer(guard(broken), request(TCM)))
    assert counts(own_state) == {"tcm": (1, 10, 4)}


def test_several_answers_to_one_prompt_are_one_request(guard: Any, own_state: State):
    async def ask() -> None:
        engine = guard(ScriptedEngine(default="123456"))
        await engine.start()
        other = replace(request(TCM, prompt=7), id="2")
        async for _ in run_together(engine, [*split(request(TCM), 3), *split(other, 2)]):
            pass
        await engine.stop()

    run(ask())
    assert counts(own_state) == {"tcm": (1, 17, 10)}


def test_a_blend_is_counted_under_its_names_without_scales(guard: Any, own_state: State):
    current_caller.set(Caller())
    run(answer(guard(ScriptedEngine(default="123")), request(TCM, BIKE)))
    ((account, _),) = read_usage(own_state, None, 0)
    assert (account.key_id, account.model) == ("", "bike+tcm")


def test_all_else_is_the_engines(guard: Any):
    engine = ScriptedEngine()
    guarded = guard(engine)

    async def use() -> None:
        await guarded.start()
        assert engine.is_started
        await guarded.load(BIKE)
        assert guarded.stats().num_resident_adapters == 1
        await guarded.unload(BIKE)
        await guarded.stop()

    run(use())
    assert (guarded.context_length, engine.adapters, engine.is_started) == (2048, {}, False)
