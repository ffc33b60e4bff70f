"""The torch engine against transformers and PEFT, in float32."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from serving.engine import AdapterRef, Blend, Delta, Request, Sampling
from serving.errors import AdapterRefused, EngineFailed, EngineUnsupported, PromptTooLong
from serving.lora_stack import LoraStack
from serving.torch_engine import TorchEngine, TorchEngineConfig

PROMPTS = ["我最近失眠", "My chain slips.", "患者：胃胀", "Right then, what now?"]
GREEDY = Sampling(max_tokens=24, temperature=0.0, ignore_eos=True)
# Below this gap between the two best logits, another batch shape may choose the other one.
MARGIN = 1e-3


def make_engine(base: Path, **options: Any) -> TorchEngine:
    tokenizer = AutoTokenizer.from_pretrained(base)
    return TorchEngine(base, tokenizer, TorchEngineConfig(**options))


def make_ref(folder: Path, name: str) -> AdapterRef:
    return AdapterRef(name, "1", f"sha-{folder}", folder)


async def collect(engine: TorchEngine, request: Request) -> list[Delta]:
    return [delta async for delta in engine.submit(request)]


def token_ids(deltas: list[Delta]) -> list[int]:
    return [token_id for delta in deltas for token_id in delta.token_ids]


def encode(base: Path, text: str) -> tuple[int, ...]:
    return tuple(AutoTokenizer.from_pretrained(base).encode(text, add_special_tokens=False))


def reference(model: Any, prompt: tuple[int, ...], num_tokens: int) -> tuple[list[int], float]:
    """Greedy tokens without a cache, and the smallest margin met on the way."""
    ids = list(prompt)
    margin = float("inf")
    with torch.no_grad():
        for _ in range(num_tokens):
            best = model(torch.tensor([ids])).logits[0, -1].topk(2)
            margin = min(margin, float(best.values[0] - best.values[1]))
            ids.append(int(best.indices[0]))
    return ids[len(prompt) :], margin


def peft_model(base: Path, blend: Blend) -> Any:
    """PEFT's exact blend: `cat` sums the adapters' products."""
    model = AutoModelForCausalLM.from_pretrained(base)
    if not blend:
        return model.eval()
    (first, _), *rest = blend
    wrapped = PeftModel.from_pretrained(model, str(first.folder), adapter_name=first.name)
    for ref, _ in rest:
        wrapped.load_adapter(str(ref.folder), adapter_name=ref.name)
    if len(blend) == 1 and blend[0][1] == 1.0:
        return wrapped.eval()
    names, scales = [ref.name for ref, _ in blend], [scale for _, scale in blend]
    wrapped.add_weighted_adapter(names, scales, "blend", combination_type="cat")
    wrapped.set_adapter("blend")
    return wrapped.eval()


@pytest.mark.parametrize("family", ["llama", "llama3", "mistral", "qwen2", "qwen3"])
def test_mixed_batch_says_what_peft_says(
    family: str, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base(family)
    a = make_ref(make_adapter(base, tmp_path / "a", seed=1), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", seed=2, r=6, use_rslora=True), "b")
    blends: list[Blend] = [(), ((a, 1.0),), ((b, 1.0),), ((a, 0.7), (b, 0.3))]

    async def ask() -> list[list[Delta]]:
        engine = make_engine(base)
        await engine.start()
        requests = [
            Request(f"{i}", encode(base, prompt), (), blend, GREEDY)
            for i, (prompt, blend) in enumerate(zip(PROMPTS, blends, strict=True))
        ]
        answers = await asyncio.gather(*(collect(engine, request) for request in requests))
        await engine.stop()
        return answers

    answers = asyncio.run(ask())
    num_checked = 0
    for prompt, blend, answer in zip(PROMPTS, blends, answers, strict=True):
        expected, margin = reference(peft_model(base, blend), encode(base, prompt), 24)
        if margin > MARGIN:
            assert token_ids(answer) == expected
            num_checked += 1
    assert num_checked >= 3


def test_partial_targets_and_tied_embeddings_match_peft(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama", tied=True)
    q = make_adapter(base, tmp_path / "q", target_modules=["q_proj", "v_proj"], std=0.3)
    mlp = make_adapter(base, tmp_path / "m", seed=5, target_modules=["down_proj"], std=0.3)
    blend: Blend = ((make_ref(q, "q"), 1.5), (make_ref(mlp, "m"), -0.5))

    async def ask() -> list[Delta]:
        engine = make_engine(base)
        await engine.start()
        prompt = encode(base, PROMPTS[0])
        answer = await collect(engine, Request("1", prompt, (), blend, GREEDY))
        await engine.stop()
        return answer

    expected, margin = reference(peft_model(base, blend), encode(base, PROMPTS[0]), 24)
    assert margin > MARGIN
    assert token_ids(asyncio.run(ask())) == expected


def test_requests_that_come_and_go_do_not_change_each_other(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    refs = [make_ref(make_adapter(base, tmp_path / str(i), seed=i), f"a{i}") for i in range(3)]
    blends: list[Blend] = [(), *(((ref, 1.0),) for ref in refs)]

    def request(number: int) -> Request:
        sampling = Sampling(max_tokens=5 + number % 9, temperature=0.8, seed=number, top_p=0.9)
        prompt = encode(base, PROMPTS[number % 4])
        return Request(str(number), prompt, (), blends[number % 3], sampling)

    async def ask() -> tuple[list[list[int]], list[list[int]]]:
        engine = make_engine(base, max_rows=4)
        await engine.start()
        alone = [token_ids(await collect(engine, request(number))) for number in range(12)]
        together = await asyncio.gather(*(collect(engine, request(n)) for n in range(12)))
        await engine.stop()
        return alone, [token_ids(answer) for answer in together]

    alone, together = asyncio.run(ask())
    assert alone == together


def test_closing_the_iterator_frees_the_row(make_base: Any):
    base = make_base("llama")

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        sampling = Sampling(max_tokens=400, ignore_eos=True)
        stream = engine.submit(Request("1", encode(base, PROMPTS[0]), (), (), sampling))
        await anext(stream)
        assert engine.stats().num_running == 1
        await stream.aclose()
        await collect(engine, Request("2", encode(base, PROMPTS[1]), (), (), GREEDY))
        assert engine.stats().num_running == 0
        await engine.stop()

    asyncio.run(ask())


def test_answer_ends_at_an_end_token_without_its_text(make_base: Any):
    base = make_base("llama")
    prompt = encode(base, PROMPTS[1])
    ids, _ = reference(AutoModelForCausalLM.from_pretrained(base), prompt, 8)
    end = next(token_id for token_id in ids if ids.index(token_id) > 2)

    async def ask() -> list[Delta]:
        engine = make_engine(base)
        await engine.start()
        sampling = Sampling(max_tokens=24, temperature=0.0)
        answer = await collect(engine, Request("1", prompt, (end,), (), sampling))
        await engine.stop()
        return answer

    answer = asyncio.run(ask())
    assert token_ids(answer) == ids[: ids.index(end) + 1]
    assert answer[-1].finish_reason == "stop"


def test_bad_adapters_are_refused_and_the_engine_lives_on(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    good = make_ref(make_adapter(base, tmp_path / "good"), "good")
    foreign = make_ref(make_adapter(make_base("qwen3"), tmp_path / "foreign"), "foreign")
    broken = make_ref(make_adapter(base, tmp_path / "broken"), "broken")
    weights = broken.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        prompt = encode(base, PROMPTS[0])
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
        await engine.stop()

    asyncio.run(ask())


def test_too_long_requests_and_a_stopped_engine_are_errors(make_base: Any):
    base = make_base("llama")

    async def ask() -> None:
        engine = make_engine(base)
        request = Request("1", (5,) * 500, (), (), Sampling(max_tokens=13))
        with pytest.raises(EngineFailed):
            await collect(engine, request)
        await engine.start()
        with pytest.raises(PromptTooLong):
            await collect(engine, request)
        stream = engine.submit(
            Request("2", (5,), (), (), Sampling(max_tokens=500, ignore_eos=True))
        )
        await anext(stream)
        await engine.stop()
        with pytest.raises(EngineFailed):
            async for _ in stream:
                pass

    asyncio.run(ask())


def test_other_architectures_are_refused_by_name(tmp_path: Path):
    from transformers import GPT2Config

    GPT2Config(n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(EngineUnsupported, match="gpt2"):
        TorchEngine(tmp_path, None, TorchEngineConfig())


def test_a_failing_step_ends_its_requests_and_the_next_one_is_answered(make_base: Any):
    base = make_base("llama")

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        outside = Request("1", (10**6,), (), (), GREEDY)  # a token the embedding does not have
        with pytest.raises(EngineFailed):
            await collect(engine, outside)
        answer = await collect(engine, Request("2", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24
        await engine.stop()

    asyncio.run(ask())


def test_an_adapter_unloaded_while_it_runs_goes_with_its_last_request(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")

    def num_stacks() -> int:
        gc.collect()
        return sum(type(thing) is LoraStack for thing in gc.get_objects())

    before = num_stacks()

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        stream = engine.submit(Request("1", encode(base, "hello"), (), ((ref, 1.0),), GREEDY))
        await anext(stream)
        await engine.unload(ref)
        assert len(token_ids([delta async for delta in stream])) == 23
        assert engine.stats().num_resident_adapters == 0
        assert num_stacks() == before
        await engine.stop()

    asyncio.run(ask())


def test_a_load_that_nobody_awaits_any_more_leaves_the_engine_alive(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        loading = asyncio.create_task(engine.load(ref))
        await asyncio.sleep(0)
        loading.cancel()
        answer = await collect(engine, Request("1", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24
        await engine.stop()

    asyncio.run(asyncio.wait_for(ask(), 60))


def test_a_tensor_without_dimensions_is_refused(make_base: Any, make_adapter: Any, tmp_path: Path):
    base = make_base("llama")
    weights = make_adapter(base, tmp_path / "a") / "adapter_model.safetensors"
    save_file(load_file(weights) | {sorted(load_file(weights))[0]: torch.tensor(1.0)}, weights)

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        with pytest.raises(AdapterRefused, match="does not fit"):
            await engine.load(make_ref(tmp_path / "a", "a"))
        await engine.stop()

    asyncio.run(asyncio.wait_for(ask(), 60))


def test_a_load_that_fails_unexpectedly_is_an_error_and_the_engine_lives_on(make_base: Any):
    base = make_base("llama")
    nothing: Any = None

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        with pytest.raises(AttributeError):
            await engine.load(nothing)
        answer = await collect(engine, Request("1", encode(base, "hello"), (), (), GREEDY))
        assert len(token_ids(answer)) == 24
        await engine.stop()

    asyncio.run(asyncio.wait_for(ask(), 60))


def test_leaving_in_the_middle_does_not_disturb_the_other_rows(make_base: Any):
    base = make_base("llama")

    async def ask() -> None:
        engine = make_engine(base)
        await engine.start()
        requests = [Request(f"{i}", encode(base, p), (), (), GREEDY) for i, p in enumerate(PROMPTS)]
        alone = [token_ids(await collect(engine, request)) for request in requests]
        leaving, *staying = (engine.submit(request) for request in requests)
        begun = await asyncio.gather(anext(leaving), *(anext(stream) for stream in staying))
        await leaving.aclose()
        for first, stream, expected in zip(begun[1:], staying, alone[1:], strict=True):
            rest = token_ids([delta async for delta in stream])
            assert [*first.token_ids, *rest] == expected
        await engine.stop()

    asyncio.run(asyncio.wait_for(ask(), 60))
