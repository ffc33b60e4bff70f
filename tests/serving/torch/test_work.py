"""Requests that are computed together are answered as each one alone."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.engine import AdapterRef, Blend, Request, Sampling
from tests.serving.engines import (
    GREEDY,
    PROMPTS,
    TOLERANCE,
    alone,
    assert_same,
    collect,
    collect_all,
    collect_alone,
    encode,
    exact_options,
    make_ref,
    needs_int8,
    running,
    token_ids,
)

TOLD = replace(GREEDY, top_logprobs=5)
WAYS = [
    TOLD,
    Sampling(temperature=0.9, seed=1, top_p=0.95, top_logprobs=5, ignore_eos=True),
    Sampling(temperature=1.2, seed=2, top_k=20, repetition_penalty=1.2, top_logprobs=5),
    Sampling(temperature=0.0, presence_penalty=1.0, frequency_penalty=0.5, top_logprobs=5),
    GREEDY,
]


@pytest.fixture
def base(make_base: Any) -> Path:
    return make_base("qwen3")


@pytest.fixture
def refs(base: Path, make_adapter: Any, tmp_path: Path) -> list[AdapterRef]:
    """Of one, two and four granules, and of one that has few modules."""
    options: list[dict[str, Any]] = [
        {},
        {"r": 24},
        {"r": 64, "std": 0.05},
        {"r": 2, "target_modules": ["v_proj", "gate_proj"], "std": 0.3},
    ]
    return [
        make_ref(make_adapter(base, tmp_path / str(i), seed=i, **given), f"a{i}")
        for i, given in enumerate(options)
    ]


def blends_of(refs: list[AdapterRef]) -> list[Blend]:
    a, b, c, d = refs
    return [(), alone(a), alone(b), alone(c), alone(d), ((a, 0.7), (b, 0.3)), ((d, -1.0), (c, 0.5))]


def make_requests(base: Path, refs: list[AdapterRef], count: int) -> list[Request]:
    """Short and long prompts, answers and ways to choose, in all combinations with the blends."""
    blends = blends_of(refs)
    return [
        Request(
            str(number),
            encode(base, PROMPTS[number % 4] * (1 + 7 * (number % 3 == 1))),
            (),
            blends[number % 7],
            replace(WAYS[number % 5], max_tokens=6 + number % 9),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk_tokens": 5},
        {"max_rows": 2},
        {"max_rows": 1, "chunk_tokens": 1},
        {"max_rows": 4, "chunk_tokens": 40, "adapter_bytes": 0},
        {"precision": "nf4", "chunk_tokens": 40},
        pytest.param({"precision": "int8", "chunk_tokens": 40}, marks=needs_int8),
    ],
    ids=str,
)
async def test_a_mixed_batch_equals_each_request_alone(
    options: dict[str, Any],
    base: Path,
    refs: list[AdapterRef],
    tmp_path: Path,
    request: pytest.FixtureRequest,
):
    options = exact_options(options, request, tmp_path / "compiled")
    requests = make_requests(base, refs, 14)
    async with running(base, **options) as engine:
        together = await collect_all(engine, requests)
        stats = engine.stats()
    assert (stats.num_running, stats.num_waiting) == (0, 0)
    assert stats.num_free_blocks == stats.num_blocks
    numbers = {name: options[name] for name in ("precision", "compiled") if name in options}
    tolerance = 1e-12 if "compiled" in options else TOLERANCE
    assert_same(together, await collect_alone(base, requests, **numbers), tolerance)


async def test_adapters_that_take_turns_in_one_place_stay_themselves(
    base: Path, refs: list[AdapterRef]
):
    """Two rows have two granules: those of one of these adapters, at a time."""
    _, b, _, _ = refs
    wide = [AdapterRef(f"b{i}", "1", f"sha-b{i}", b.folder) for i in range(2)]
    blends: list[Blend] = [alone(wide[0]), (), alone(refs[0]), alone(wide[1]), alone(refs[3])]
    requests = [
        Request(str(i), encode(base, PROMPTS[i % 4]), (), blends[i % 5], TOLD) for i in range(15)
    ]
    async with running(base, max_rows=2) as engine:
        together = await collect_all(engine, requests)
    assert_same(together, await collect_alone(base, requests))


async def test_a_blend_that_needs_more_granules_than_there_are_makes_room(
    base: Path, refs: list[AdapterRef]
):
    a, b, c, d = refs
    blend: Blend = ((a, 0.5), (b, 0.5), (c, 0.5), (d, 0.5))  # 8 granules
    prompt = encode(base, PROMPTS[0])
    few, many = (
        Request("1", prompt, (), alone(a), WAYS[1]),
        Request("2", prompt, (), blend, WAYS[0]),
    )
    async with running(base, max_rows=2) as engine:
        answers = [await collect(engine, few), *await collect_all(engine, [few, many, few])]
    assert_same(answers, await collect_alone(base, [few, few, many, few]))


async def test_leaving_in_the_middle_does_not_disturb_the_others(
    base: Path, refs: list[AdapterRef]
):
    requests = make_requests(base, refs, 8)
    expected = await collect_alone(base, requests)
    async with running(base, max_rows=4) as engine:
        leaving = [
            engine.submit(Request(f"-{i}", request.prompt_ids[:5], (), request.blend, GREEDY))
            for i, request in enumerate(requests)
        ]
        begun = [asyncio.ensure_future(anext(stream)) for stream in leaving]
        staying = asyncio.ensure_future(collect_all(engine, requests))
        for first, stream in zip(begun, leaving, strict=True):
            assert len((await first).token_ids) == 1
            await stream.aclose()
        assert_same(await staying, expected)
        assert token_ids(await collect(engine, requests[0])) == token_ids(expected[0])
        stats = engine.stats()
    assert (stats.num_running, stats.num_waiting) == (0, 0)
    assert stats.num_free_blocks == stats.num_blocks
