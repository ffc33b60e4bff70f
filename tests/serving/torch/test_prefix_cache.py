"""What is found in the cache, or computed again after preemption, changes no answer."""

from pathlib import Path
from typing import Any

import pytest

from serving.engine import AdapterRef, Blend, Request, Sampling
from serving.requests.sequence import BLOCK
from tests.serving.engines import (
    PROMPTS,
    alone,
    assert_same,
    collect,
    collect_all,
    collect_alone,
    encode,
    make_ref,
    running,
    token_ids,
)

GREEDY = Sampling(max_tokens=40, temperature=0.0, top_logprobs=5, ignore_eos=True)
SEEDED = Sampling(max_tokens=40, temperature=0.9, seed=7, top_p=0.9, ignore_eos=True)


@pytest.fixture(params=["llama", "mistral-window"])
def base(request: pytest.FixtureRequest, make_base: Any) -> Path:
    return make_base(request.param)


@pytest.fixture
def refs(base: Path, make_adapter: Any, tmp_path: Path) -> list[AdapterRef]:
    return [make_ref(make_adapter(base, tmp_path / f"{i}", seed=i), f"a{i}") for i in range(3)]


async def test_a_prompt_asked_again_is_found_and_answered_alike(base: Path, refs: list[AdapterRef]):
    prompt = encode(base, "".join(PROMPTS * 2))
    request = Request("1", prompt, (), alone(refs[0]), GREEDY)
    async with running(base) as engine:
        answers = [await collect(engine, request) for _ in range(3)]
        stats = engine.stats()
    found = [answer[0].cached_tokens for answer in answers]
    whole = (len(prompt) - 1) // BLOCK * BLOCK
    assert found == [0, whole, whole]
    assert whole > 0
    assert stats.num_cached_tokens == 2 * whole
    assert stats.num_prompt_tokens == 3 * len(prompt)
    assert_same(answers, 3 * await collect_alone(base, [request]))


async def test_the_next_turn_finds_the_last_answer(base: Path, refs: list[AdapterRef]):
    first = Request("1", encode(base, PROMPTS[3]), (), alone(refs[0]), GREEDY)
    async with running(base) as engine:
        answer = await collect(engine, first)
        turns = (*first.prompt_ids, *token_ids(answer))
        second = Request("2", (*turns, *encode(base, PROMPTS[0])), (), alone(refs[0]), GREEDY)
        found = await collect(engine, second)
    # The last token of an answer has been chosen, but never computed.
    assert found[0].cached_tokens == (len(turns) - 1) // BLOCK * BLOCK
    assert found[0].cached_tokens > len(first.prompt_ids)
    assert_same([found], await collect_alone(base, [second]))


async def test_only_the_same_adapters_at_the_same_scales_share_a_prefix(
    base: Path, refs: list[AdapterRef]
):
    a, b, _ = refs
    prompt = encode(base, "".join(PROMPTS))
    blends: list[Blend] = [
        (),
        alone(a),
        alone(b),
        ((a, 0.5),),
        ((a, 0.5), (b, 0.5)),
        ((a, 0.5), (b, 0.25)),
    ]
    requests = [Request("1", prompt, (), blend, GREEDY) for blend in blends]
    async with running(base) as engine:
        answers = [await collect(engine, request) for request in requests]
        swapped = await collect(engine, Request("1", prompt, (), blends[4][::-1], GREEDY))
    assert [answer[0].cached_tokens for answer in answers] == [0] * len(blends)
    assert swapped[0].cached_tokens > 0
    assert_same([*answers, swapped], await collect_alone(base, [*requests, requests[4]]))


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "seeded"])
async def test_a_preempted_request_goes_on_as_if_undisturbed(
    sampling: Sampling, base: Path, refs: list[AdapterRef]
):
    """There are blocks for one whole context; each request comes to need two thirds of it."""
    blends: list[Blend] = [(), alone(refs[0]), ((refs[1], 0.5), (refs[2], 0.5)), alone(refs[0])]
    requests = [
        Request(str(i), encode(base, PROMPTS[i]), (), blend, sampling)
        for i, blend in enumerate(blends)
    ]
    async with running(base, context_length=80, kv_bytes=0) as engine:
        together = await collect_all(engine, requests)
        stats = engine.stats()
    assert stats.num_blocks == 5
    assert stats.num_preemptions > 0
    assert stats.num_free_blocks == 5
    assert_same(together, await collect_alone(base, requests))


async def test_blocks_taken_for_others_are_not_found_again(base: Path, refs: list[AdapterRef]):
    """Ten prompts through room for two: nothing found may be another's."""
    blends: list[Blend] = [(), alone(refs[0]), alone(refs[1])]
    requests = [
        Request(str(i), encode(base, PROMPTS[i % 2] * 3), (), blends[i % 3], GREEDY)
        for i in range(10)
    ]
    async with running(base, context_length=112, kv_bytes=0) as engine:
        answers = [await collect(engine, request) for request in requests for _ in range(2)]
        found = [answer[0].cached_tokens for answer in answers]
    assert any(found)
    assert_same(answers, [a for a in await collect_alone(base, requests) for _ in range(2)])
