"""What every engine on a real base promises: answers, cancellation, refusals, failures."""

import asyncio
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.engine import Blend, Request, Sampling
from serving.errors import AdapterRefused, EngineFailed, PromptTooLong
from tests.serving.engines import (
    ENGINES,
    GREEDY,
    PROMPTS,
    alone,
    collect,
    collect_all,
    encode,
    logprobs,
    make_ref,
    needs_llamacpp,
    running,
    token_ids,
)
from tests.serving.peft_reference import greedy, logits_of, peft_model

# Below this gap between the two best logits, another batch shape may choose the other one.
MARGIN = {"torch": 1e-3, "llamacpp": 0.05}  # keys and values are float16 there
TOLERANCE = {"torch": 5e-5, "llamacpp": 0.03}  # of log probabilities

ASKED = {"torch": (20, 20), "llamacpp": (12, 5)}  # tokens, and the likeliest told of each

KINDS = ["torch", pytest.param("llamacpp", marks=needs_llamacpp)]
FAMILIES = [
    *(("torch", family) for family in ("llama", "llama3", "mistral", "qwen2", "qwen3")),
    *(
        pytest.param("llamacpp", family, marks=needs_llamacpp)
        for family in ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text")
    ),
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run(kind: str) -> Any:
    """Start an engine of this kind."""
    return partial(running, make=ENGINES[kind])


@pytest.mark.parametrize(("kind", "family"), FAMILIES)
async def test_mixed_batch_says_what_peft_says(
    kind: str, family: str, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base(family, tied=family.startswith("gemma"))
    a = make_ref(make_adapter(base, tmp_path / "a", seed=1), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", seed=2, r=6, use_rslora=True), "b")
    blends: list[Blend] = [(), alone(a), alone(b), ((a, 0.7), (b, 0.3))]
    requests = [
        Request(f"{i}", encode(base, prompt), (), blend, GREEDY)
        for i, (prompt, blend) in enumerate(zip(PROMPTS, blends, strict=True))
    ]
    async with running(base, ENGINES[kind]) as engine:
        answers = await asyncio.gather(*(collect(engine, request) for request in requests))
    num_checked = 0
    for request, answer in zip(requests, answers, strict=True):
        expected, margins = greedy(peft_model(base, request.blend), request.prompt_ids, 24)
        sure = next((i for i, gap in enumerate(margins) if gap < MARGIN[kind]), 24)
        assert token_ids(answer)[:sure] == expected[:sure]
        num_checked += sure
    assert num_checked >= 40


@pytest.mark.parametrize(("kind", "family"), FAMILIES)
async def test_log_probabilities_are_those_of_peft(
    kind: str, family: str, make_base: Any, make_adapter: Any, tmp_path: Path
):
    """Whatever chose the token: the model's own probabilities are told."""
    base = make_base(family, tied=family.startswith("gemma"))
    num_tokens, num_told = ASKED[kind]
    options = {"rank_pattern": {"down_proj": 8}, "alpha_pattern": {"q_proj": 3.0}}
    a = make_ref(make_adapter(base, tmp_path / "a", std=0.05, **options), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", std=0.05, seed=2, use_rslora=True), "b")
    blends: list[Blend] = [(), alone(a), ((a, 0.5),), ((a, 1.0), (b, -0.3))]
    sampling = Sampling(
        max_tokens=num_tokens,
        temperature=1.7,
        seed=3,
        repetition_penalty=1.3,
        logit_bias=((40, 5.0),),
        top_logprobs=num_told,
        ignore_eos=True,
    )
    requests = [
        Request(str(number), encode(base, PROMPTS[number]), (), blend, sampling)
        for number, blend in enumerate(blends)
    ]
    async with running(base, ENGINES[kind], chunk_tokens=3) as engine:
        answers = await collect_all(engine, requests)
    for request, answer in zip(requests, answers, strict=True):
        ids = token_ids(answer)
        model = peft_model(base, request.blend)
        expected = logits_of(model, (*request.prompt_ids, *ids)).log_softmax(-1)
        told = logprobs(answer)
        assert [one.token_id for one in told] == ids
        for one, own in zip(told, expected[len(request.prompt_ids) - 1 : -1], strict=True):
            assert one.logprob == pytest.approx(float(own[one.token_id]), abs=TOLERANCE[kind])
            best = own.topk(num_told)
            assert [value for _, value in one.top] == pytest.approx(
                best.values.tolist(), abs=TOLERANCE[kind]
            )
            for token_id, value in one.top:
                assert value == pytest.approx(float(own[token_id]), abs=TOLERANCE[kind])


async def test_closing_the_iterator_frees_the_row(run: Any, make_base: Any):
    base = make_base("llama")
    sampling = Sampling(max_tokens=400, ignore_eos=True)
    async with run(base) as engine:
        stream = engine.submit(Request("1", encode(base, PROMPTS[0]), (), (), sampling))
        await anext(stream)
        assert engine.stats().num_running == 1
        await stream.aclose()
        await collect(engine, Request("2", encode(base, PROMPTS[1]), (), (), GREEDY))
        assert engine.stats().num_running == 0
        assert engine.stats().num_free_blocks == engine.stats().num_blocks


async def test_answer_ends_at_an_end_token_without_its_text(run: Any, make_base: Any):
    base = make_base("llama")
    prompt = encode(base, PROMPTS[1])
    ids, _ = greedy(peft_model(base, ()), prompt, 8)
    end = next(token_id for token_id in ids if ids.index(token_id) > 2)
    sampling = Sampling(max_tokens=24, temperature=0.0)
    async with run(base) as engine:
        answer = await collect(engine, Request("1", prompt, (end,), (), sampling))
    assert token_ids(answer) == ids[: ids.index(end) + 1]
    assert answer[-1].finish_reason == "stop"


async def test_bad_adapters_are_refused_and_the_engine_lives_on(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    good = make_ref(make_adapter(base, tmp_path / "good"), "good")
    foreign = make_ref(make_adapter(make_base("qwen3"), tmp_path / "foreign"), "foreign")
    broken = make_ref(make_adapter(base, tmp_path / "broken", seed=2), "broken")
    endless = make_ref(make_adapter(base, tmp_path / "endless", seed=3), "endless")
    weights = broken.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    weights = endless.folder / "adapter_model.safetensors"
    save_file({key: value * torch.inf for key, value in load_file(weights).items()}, weights)
    prompt = encode(base, PROMPTS[0])
    async with run(base) as engine:
        for bad in (foreign, broken, endless):
            with pytest.raises(AdapterRefused):
                await engine.load(bad)
            blended: Blend = ((good, 1.0), (bad, 1.0))
            with pytest.raises(AdapterRefused) as refused:
                await collect(engine, Request("1", prompt, (), blended, GREEDY))
            assert str(tmp_path) not in str(refused.value)
            assert str(bad) in str(refused.value)
        report = await engine.load(good)
        assert len(report.matched) == 14
        assert "layers.0.self_attn.q_proj" in report.matched
        assert report.num_bytes > 0
        await engine.unload(good)
        assert engine.stats().num_resident_adapters == 0
        assert len(token_ids(await collect(engine, Request("2", prompt, (), (), GREEDY)))) == 24


async def test_too_long_requests_and_a_stopped_engine_are_errors(kind: str, make_base: Any):
    engine = ENGINES[kind](make_base("llama"))
    request = Request("1", (5,) * 500, (), (), Sampling(max_tokens=13))
    with pytest.raises(EngineFailed):
        await collect(engine, request)
    await engine.start()
    with pytest.raises(PromptTooLong):
        await collect(engine, request)
    with pytest.raises(EngineFailed, match="no token 100000"):
        await collect(engine, Request("2", (5, 100_000), (), (), GREEDY))
    stream = engine.submit(Request("3", (5,), (), (), Sampling(max_tokens=500, ignore_eos=True)))
    await anext(stream)
    await engine.stop()
    with pytest.raises(EngineFailed):
        async for _ in stream:
            pass
    assert not engine.stats().is_running


async def test_a_stopped_engine_can_be_started_again(run: Any, make_base: Any):
    base = make_base("llama")
    request = Request("1", encode(base, PROMPTS[0]), (), (), GREEDY)
    async with run(base) as engine:
        first = token_ids(await collect(engine, request))
        await engine.stop()
        await engine.start()
        assert token_ids(await collect(engine, request)) == first


async def test_an_adapter_unloaded_while_it_runs_goes_with_its_last_request(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    async with run(base) as engine:
        stream = engine.submit(Request("1", encode(base, "hello"), (), alone(ref), GREEDY))
        await anext(stream)
        await engine.unload(ref)
        assert len(token_ids([delta async for delta in stream])) == 23
        assert engine.stats().num_resident_adapters == 0


async def test_a_load_that_nobody_awaits_any_more_leaves_the_engine_alive(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    async with run(base) as engine:
        loading = asyncio.create_task(engine.load(ref))
        await asyncio.sleep(0)
        loading.cancel()
        answer = await collect(engine, Request("1", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24


async def test_a_tensor_without_dimensions_is_refused(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    weights = make_adapter(base, tmp_path / "a") / "adapter_model.safetensors"
    save_file(load_file(weights) | {sorted(load_file(weights))[0]: torch.tensor(1.0)}, weights)
    async with run(base) as engine:
        with pytest.raises(AdapterRefused, match="does not fit"):
            await engine.load(make_ref(tmp_path / "a", "a"))


async def test_a_load_that_fails_unexpectedly_is_an_error_and_the_engine_lives_on(
    run: Any, make_base: Any
):
    base = make_base("llama")
    nothing: Any = None
    async with run(base) as engine:
        with pytest.raises(AttributeError):
            await engine.load(nothing)
        answer = await collect(engine, Request("1", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24


async def test_running_request_keeps_an_adapter_whose_files_are_gone(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    request = Request("1", encode(base, PROMPTS[0]), (), alone(ref), GREEDY)
    async with run(base) as engine:
        whole = token_ids(await collect(engine, request))
        deltas = engine.submit(request)
        first = await anext(deltas)
        shutil.rmtree(ref.folder)
        assert await engine.unload(ref) > 0
        rest = [delta async for delta in deltas]
        assert token_ids([first, *rest]) == whole
        assert not engine.holds(ref)
        assert await engine.unload(ref) == 0


async def test_the_same_seed_says_the_same_whoever_else_is_there(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    sampling = Sampling(max_tokens=16, temperature=0.3, seed=11, ignore_eos=True)
    request = Request("1", encode(base, PROMPTS[0]), (), alone(ref), sampling)
    others = [
        Request(f"o{i}", encode(base, prompt), (), (), Sampling(max_tokens=9, seed=i))
        for i, prompt in enumerate(PROMPTS)
    ]
    async with run(base) as engine:
        lonely = token_ids(await collect(engine, request))
        first, *_ = await collect_all(engine, [request, *others])
        assert token_ids(first) == lonely


async def test_no_adapter_answers_from_anothers_memory(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path
):
    """The same prompt to one after the other, as a prefix cache likes it least."""
    base = make_base("llama")
    a, b = (make_ref(make_adapter(base, tmp_path / n, seed=i), n) for i, n in enumerate("ab", 1))
    blends: list[Blend] = [(), alone(a), alone(b), ((a, 0.5),), ((a, 0.5), (b, 0.5))]
    prompt = encode(base, PROMPTS[0] * 5)
    requests = [Request(str(i), prompt, (), blend, GREEDY) for i, blend in enumerate(blends)]
    expected: list[list[int]] = []
    for request in requests:
        async with run(base) as engine:
            expected.append(token_ids(await collect(engine, request)))
    assert len({tuple(ids) for ids in expected}) == len(blends)
    async with run(base) as engine:
        first = [await collect(engine, request) for request in requests]
        answers = [await collect(engine, request) for request in requests]
        assert [token_ids(answer) for answer in (*first, *answers)] == [*expected, *expected]
        assert all(answer[-1].cached_tokens > 0 for answer in answers)


async def test_json_is_enforced_beside_others(run: Any, make_base: Any):
    base = make_base("llama")
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["heart", "spleen"]}, "sleeps": {"type": "boolean"}},
        "required": ["kind", "sleeps"],
        "additionalProperties": False,
    }
    bound = Sampling(max_tokens=200, temperature=1.0, seed=1, json_schema=json.dumps(schema))
    prompt, end_ids = encode(base, PROMPTS[0]), encode(base, "<|im_end|>")
    async with run(base) as engine:
        answer, free = await collect_all(
            engine,
            [Request("1", prompt, end_ids, (), bound), Request("2", prompt, end_ids, (), GREEDY)],
        )
    assert set(json.loads("".join(delta.text for delta in answer))) == {"kind", "sleeps"}
    assert len(token_ids(free)) == 24
