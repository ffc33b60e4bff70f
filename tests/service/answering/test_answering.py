"""What an answer costs, and who may have it."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.accounts.caller import Caller, Limits, current_caller
from service.accounts.charging import Charging
from service.accounts.rate_limit import RateLimits
from service.accounts.usage import UsageLedger, read_usage
from service.answering.job import split
from service.errors import InvalidRequest, OfField, RateLimited
from service.state.database import State
from serving.engine import AdapterRef, Request, Sampling
from serving.errors import EngineFailed, ModelNotFound, PromptTooLong
from serving.scripted import ScriptedEngine
from tests.service.answering.conftest import answering_on, job_of

ANNA = Caller("key_1", "anna", adapters=frozenset({"tcm"}), limits=Limits(tokens_per_minute=60))
TCM, BIKE = (AdapterRef(name, "1", name, Path(name)) for name in ("tcm", "bike"))


@pytest.fixture(autouse=True)
def _asks() -> Generator[None]:
    token = current_caller.set(ANNA)
    yield
    current_caller.reset(token)


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(lambda: 0.0)


@pytest.fixture
def ledger(own_state: State) -> UsageLedger:
    return UsageLedger(own_state)


@pytest.fixture
def charging(limits: RateLimits, ledger: UsageLedger) -> Charging:
    return Charging(limits, ledger)


def request(*refs: AdapterRef, prompt: int = 10, max_tokens: int = 256) -> Request:
    blend = tuple((ref, 1.0) for ref in refs)
    sampling = Sampling(max_tokens=max_tokens)
    return Request("1", tuple(range(prompt)), blend=blend, sampling=sampling)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def answer(
    engine: ScriptedEngine,
    charging: Charging,
    requests: list[Request],
    num_choices: int = 1,
    at_most: int = 999,
) -> list[str]:
    """As many texts as asked for, and then the stream is closed."""
    await engine.start()
    texts: list[str] = []
    try:
        job = job_of(requests, num_choices)
        async with aclosing(answering_on(engine, charging).run(job)) as news:
            async for _, delta in news:
                texts.append(delta.text)
                if len(texts) == at_most:
                    break
    finally:
        charging.ledger.flush()
    return texts


def counts(state: State) -> dict[str, tuple[int, int, int]]:
    return {
        account.model: (count.requests, count.prompt_tokens, count.completion_tokens)
        for account, count in read_usage(state, None, 0)
    }


@pytest.mark.parametrize("refs", [(), (BIKE,), (TCM, BIKE)])
def test_what_the_caller_may_not_use_is_not_found_and_costs_nothing(
    charging: Charging, own_state: State, refs: tuple[AdapterRef, ...]
):
    engine = ScriptedEngine()
    with pytest.raises(ModelNotFound, match=r"Adapters here: tcm\."):
        run(answer(engine, charging, [request(*refs)]))
    assert engine.requests == []
    assert counts(own_state) == {}


def test_an_answer_costs_its_prompt_and_its_tokens(
    charging: Charging, own_state: State, limits: RateLimits
):
    texts = run(answer(ScriptedEngine(default="123456789"), charging, [request(TCM)]))
    assert texts == ["123", "456", "789", ""]
    assert counts(own_state) == {"tcm": (1, 10, 3)}
    assert limits.admit(ANNA, generates=True)["x-ratelimit-remaining-tokens"] == str(60 - 13)


def test_a_client_that_leaves_pays_for_what_was_computed(
    charging: Charging, own_state: State, limits: RateLimits
):
    engine = ScriptedEngine(default="x" * 3000)
    run(answer(engine, charging, [request(TCM, prompt=100)], at_most=2))
    assert len(engine.cancelled) == 1
    assert counts(own_state) == {"tcm": (1, 100, 2)}
    with pytest.raises(RateLimited):
        limits.admit(ANNA, generates=True)


def test_what_the_engine_refuses_is_free_and_what_breaks_later_is_not(
    charging: Charging, own_state: State
):
    with pytest.raises(OfField) as caught:
        run(answer(ScriptedEngine(context_length=20), charging, [request(TCM)]))
    assert isinstance(caught.value.error, PromptTooLong)
    assert caught.value.field == "messages"
    assert counts(own_state) == {}
    broken = ScriptedEngine(default="x" * 30, failure=EngineFailed("It broke."), fail_at=4)
    with pytest.raises(EngineFailed):
        run(answer(broken, charging, [request(TCM)]))
    assert counts(own_state) == {"tcm": (1, 10, 4)}


def test_what_a_limit_refuses_is_free(charging: Charging, own_state: State, limits: RateLimits):
    engine = ScriptedEngine()
    with pytest.raises(InvalidRequest):
        run(answer(engine, charging, [request(TCM, prompt=1001)]))
    assert engine.requests == []
    assert counts(own_state) == {}
    assert limits.admit(ANNA, generates=True)["x-ratelimit-remaining-tokens"] == "60"


def test_several_answers_to_one_prompt_are_one_request(charging: Charging, own_state: State):
    other = replace(request(TCM, prompt=7), id="2")
    requests = [*split(request(TCM), 3), *split(other, 3)]
    run(answer(ScriptedEngine(default="123456"), charging, requests, num_choices=3))
    assert counts(own_state) == {"tcm": (1, 17, 12)}


def test_two_prompts_that_are_the_same_tokens_count_twice(charging: Charging, own_state: State):
    asked = request(TCM)
    requests = [*split(asked, 2), *split(replace(asked, id="2"), 2)]
    run(answer(ScriptedEngine(default="123"), charging, requests, num_choices=2))
    assert counts(own_state) == {"tcm": (1, 20, 4)}


def test_a_blend_is_counted_under_its_names_without_scales(charging: Charging, own_state: State):
    current_caller.set(Caller())
    run(answer(ScriptedEngine(default="123"), charging, [request(TCM, BIKE)]))
    ((account, _),) = read_usage(own_state, None, 0)
    assert (account.key_id, account.model) == ("", "bike+tcm")
