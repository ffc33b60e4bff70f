"""The torch engine as its callers see it: answers, cancellation, refusals, failures."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.engine import Blend, Request, Sampling
from serving.errors import AdapterRefused, EngineFailed, EngineUnsupported, PromptTooLong
from serving.torch_engine import TorchEngine, TorchEngineConfig
from tests.serving.engines import (
    GREEDY,
    PROMPTS,
    alone,
    collect,
    encode,
    make_engine,
    make_ref,
    running,
    token_ids,
)
from tests.serving.peft_reference import greedy, peft_model

# Below this gap between the two best logits, another batch shape may choose the other one.
MARGIN = 1e-3


@pytest.mark.parametrize("family", ["llama", "llama3", "mistral", "qwen2", "qwen3"])
async def test_mixed_batch_says_what_peft_says(
    family: str, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base(family)
    a = make_ref(make_adapter(base, tmp_path / "a", seed=1), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", seed=2, r=6, use_rslora=True), "b")
    blends: list[Blend] = [(), alone(a), alone(b), ((a, 0.7), (b, 0.3))]
    requests = [
        Request(f"{i}", encode(base, prompt), (), blend, GREEDY)
        for i, (prompt, blend) in enumerate(zip(PROMPTS, blends, strict=True))
    ]
    async with running(base) as engine:
        answers = await asyncio.gather(*(collect(engine, request) for request in requests))
    num_checked = 0
    for request, answer in zip(requests, answers, strict=True):
        expected, margin = greedy(peft_model(base, request.blend), request.prompt_ids, 24)
        if margin > MARGIN:
            assert token_ids(answer) == expected
            num_checked += 1
    assert num_checked >= 3


async def test_closing_the_iterator_frees_the_row(make_base: Any):
    base = make_base("llama")
    sampling = Sampling(max_tokens=400, ignore_eos=True)
    async with running(base) as engine:
        stream = engine.submit(Request("1", encode(base, PROMPTS[0]), (), (), sampling))
        await anext(stream)
        assert engine.stats().num_running == 1
        await stream.aclose()
        await collect(engine, Request("2", encode(base, PROMPTS[1]), (), (), GREEDY))
        assert engine.stats().num_running == 0


async def test_answer_ends_at_an_end_token_without_its_text(make_base: Any):
    base = make_base("llama")
    prompt = encode(base, PROMPTS[1])
    ids, _ = greedy(peft_model(base, ()), prompt, 8)
    end = next(token_id for token_id in ids if ids.index(token_id) > 2)
    sampling = Sampling(max_tokens=24, temperature=0.0)
    async with running(base) as engine:
        answer = await collect(engine, Request("1", prompt, (end,), (), sampling))
    assert token_ids(answer) == ids[: ids.index(end) + 1]
    assert answer[-1].finish_reason == "stop"


async def test_bad_adapters_are_refused_and_the_engine_lives_on(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    good = make_ref(make_adapter(base, tmp_path / "good"), "good")
    foreign = make_ref(make_adapter(make_base("qwen3"), tmp_path / "foreign"), "foreign")
    broken = make_ref(make_adapter(base, tmp_path / "broken", seed=2), "broken")
    weights = broken.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    prompt = encode(base, PROMPTS[0])
    async with running(base) as engine:
        for bad in (foreign, broken):
            with pytest.raises(AdapterRefused):
                await engine.load(bad)
            blended: Blend = ((good, 1.0), (bad, 1.0))
            with pytest.raises(AdapterRefused):
                await collect(engine, Request("1", prompt, (), blended, GREEDY))
        report = await engine.load(good)
        assert len(report.matched) == 14
        assert report.num_bytes > 0
        await engine.unload(good)
        assert engine.stats().num_resident_adapters == 0


async def test_too_long_requests_and_a_stopped_engine_are_errors(make_base: Any):
    engine = make_engine(make_base("llama"))
    request = Request("1", (5,) * 500, (), (), Sampling(max_tokens=13))
    with pytest.raises(EngineFailed):
        await collect(engine, request)
    await engine.start()
    with pytest.raises(PromptTooLong):
        await collect(engine, request)
    stream = engine.submit(Request("2", (5,), (), (), Sampling(max_tokens=500, ignore_eos=True)))
    await anext(stream)
    await engine.stop()
    with pytest.raises(EngineFailed):
        async for _ in stream:
            pass


def test_other_architectures_are_refused_by_name(tmp_path: Path):
    from transformers import GPT2Config

    GPT2Config(n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(EngineUnsupported, match="gpt2"):
        TorchEngine(tmp_path, None, TorchEngineConfig())


async def test_an_adapter_unloaded_while_it_runs_goes_with_its_last_request(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    async with running(base) as engine:
        stream = engine.submit(Request("1", encode(base, "hello"), (), alone(ref), GREEDY))
        await anext(stream)
        await engine.unload(ref)
        assert len(token_ids([delta async for delta in stream])) == 23
        assert engine.stats().num_resident_adapters == 0


async def test_a_load_that_nobody_awaits_any_more_leaves_the_engine_alive(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    async with running(base) as engine:
        loading = asyncio.create_task(engine.load(ref))
        await asyncio.sleep(0)
        loading.cancel()
        answer = await collect(engine, Request("1", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24


async def test_a_tensor_without_dimensions_is_refused(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    weights = make_adapter(base, tmp_path / "a") / "adapter_model.safetensors"
    save_file(load_file(weights) | {sorted(load_file(weights))[0]: torch.tensor(1.0)}, weights)
    async with running(base) as engine:
        with pytest.raises(AdapterRefused, match="does not fit"):
            await engine.load(make_ref(tmp_path / "a", "a"))


async def test_a_load_that_fails_unexpectedly_is_an_error_and_the_engine_lives_on(make_base: Any):
    base = make_base("llama")
    nothing: Any = None
    async with running(base) as engine:
        with pytest.raises(AttributeError):
            await engine.load(nothing)
        answer = await collect(engine, Request("1", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24


async def test_running_request_keeps_an_adapter_whose_files_are_gone(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    request = Request("1", encode(base, PROMPTS[0]), (), alone(ref), GREEDY)
    async with running(base) as engine:
        whole = token_ids(await collect(engine, request))
        deltas = engine.submit(request)
        first = await anext(deltas)
        shutil.rmtree(ref.folder)
        assert await engine.unload(ref) > 0
        rest = [delta async for delta in deltas]
        assert token_ids([first, *rest]) == whole
        assert not engine.holds(ref)
        assert await engine.unload(ref) == 0
