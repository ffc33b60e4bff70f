"""The engine over a server that speaks as vLLM's does."""

import asyncio
import json
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from serving.engine import AdapterRef, Sampling
from serving.errors import (
    AdapterRefused,
    BiasRefused,
    EngineAway,
    EngineBusy,
    EngineFailed,
    PromptTooLong,
    SchemaRefused,
)
from serving.vllm import residents as residents_module
from serving.vllm import watch as watch_module
from serving.vllm.engine import VllmEngine
from serving.vllm.fleet import VllmConfig
from serving.vllm.pushed import push_name
from tests.serving.vllm.asking import (
    VOCABULARY,
    ZEROED,
    WordTokenizer,
    collect,
    request,
    running,
    tokens,
    until,
)
from tests.serving.vllm.fake import BASE_TOKEN, CONTEXT, END, FakeVllm, serving, token_of


@pytest.fixture
def fake() -> FakeVllm:
    return FakeVllm()


@pytest.fixture
def url(fake: FakeVllm) -> Generator[str]:
    with serving(fake) as url:
        yield url


@pytest.fixture
def start(url: str, tmp_path: Path) -> Callable[..., Any]:
    return partial(running, url, kept=tmp_path / "kept")


async def test_base_adapters_and_a_blend_answer_each_with_its_own(
    fake: FakeVllm, start: Any, make_ref: Any
):
    fake.delay = 0.01  # so that all of them run at once
    a, b = make_ref("医案"), make_ref("b", seed=2)
    async with start() as engine:
        assert engine.context_length == CONTEXT
        answers = await asyncio.gather(
            *(tokens(engine, request(*each)) for each in ((), (a,), (b,), (a, b), (a,)))
        )
        assert engine.stats().num_resident_adapters == 3
        assert all(name.startswith(("医案@", "b@", "医案+b@")) for name in fake.own)
    firsts = [each[0] for each in answers]
    assert firsts[:3] == [BASE_TOKEN, token_of(a.folder), token_of(b.folder)]
    assert firsts[4] == firsts[1]
    assert firsts[3] not in firsts[:3]
    assert all(each == [each[0]] * 3 for each in answers)
    assert fake.num_loads == 3


MODULE = "base_model.model.model.layers.0.self_attn.q_proj"


def product(folder: Path) -> torch.Tensor:
    found = load_file(folder / "adapter_model.safetensors")
    return found[f"{MODULE}.lora_B.weight"] @ found[f"{MODULE}.lora_A.weight"]


async def test_a_blend_is_pushed_as_one_plain_adapter_of_the_same_product(
    fake: FakeVllm, start: Any, make_ref: Any, tmp_path: Path
):
    a, b = make_ref("a"), make_ref("b", seed=2, rank=3, use_rslora=True)
    async with start() as engine:
        await collect(engine, request(blend=((a, 0.7), (b, -0.3), (a, 0.0))))
        (folder,) = fake.own.values()
        assert json.loads((folder / "adapter_config.json").read_bytes())["r"] == 5
        expected = 0.7 * 4 / 2 * product(a.folder) - 0.3 * 4 / 3**0.5 * product(b.folder)
        torch.testing.assert_close(product(folder), expected)
        await engine.unload(a)
        assert not folder.exists()
    assert [*(tmp_path / "kept").iterdir()] == []


@pytest.mark.parametrize(
    ("config", "factor"),
    [({"alpha_pattern": {"q_proj": 8}}, 8 / 2), ({"rank_pattern": {"q_proj": 2}, "r": 9}, 4 / 2)],
)
async def test_ranks_of_single_modules_are_written_out(
    fake: FakeVllm, start: Any, make_ref: Any, config: Any, factor: float
):
    """vLLM knows one rank and one alpha."""
    ref = make_ref("a", **config)
    async with start() as engine:
        await collect(engine, request(ref))
        (folder,) = fake.own.values()
        assert folder != ref.folder
        assert json.loads((folder / "adapter_config.json").read_bytes())["lora_alpha"] == 2
        torch.testing.assert_close(product(folder), factor * product(ref.folder))


async def test_a_scale_of_zero_is_the_base(fake: FakeVllm, start: Any, make_ref: Any):
    async with start() as engine:
        assert await tokens(engine, request(blend=((make_ref("a"), 0.0),))) == [BASE_TOKEN] * 3
    assert fake.num_loads == 0


async def test_every_field_of_sampling_is_sent(fake: FakeVllm, start: Any):
    sampling = Sampling(
        max_tokens=2,
        temperature=0.7,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        repetition_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        seed=7,
        stop=("。",),
        logit_bias=((3, -5.0),),
        top_logprobs=2,
        json_schema='{"type": "object"}',
    )
    async with start() as engine:
        deltas = await collect(engine, request(sampling=sampling, end_ids=(END,)))
    assert fake.bodies[-1] == {
        "model": push_name(()),
        "prompt": [5, 6],
        "add_special_tokens": False,
        "stream": True,
        "max_tokens": 2,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "seed": 7,
        "logit_bias": {"3": -5.0},
        "logprobs": 2,
        "return_tokens_as_token_ids": True,
        "structured_outputs": {"json": {"type": "object"}},
        "ignore_eos": True,
        "stop_token_ids": [END],
        "return_token_ids": True,
    }
    assert [delta.text for delta in deltas] == ["<1>", "<1>"]
    assert deltas[-1].finish_reason == "length"
    (told,) = deltas[0].logprobs
    assert (told.token_id, told.logprob, told.top) == (1, -0.5, ((1, -0.5), (2, -1.5)))


async def test_a_stop_string_ends_the_answer_and_the_request(
    fake: FakeVllm, start: Any, make_ref: Any
):
    fake.delay = 0.01
    sampling = Sampling(max_tokens=100, stop=("><",))
    async with start() as engine:
        deltas = await collect(engine, request(sampling=sampling))
        assert "".join(delta.text for delta in deltas) == "<1"
        assert deltas[-1].finish_reason == "stop"
        await until(lambda: fake.num_left == 1)


async def test_closing_the_iterator_ends_the_request_there(fake: FakeVllm, start: Any):
    fake.delay = 0.01
    async with start() as engine:
        stream = engine.submit(request(sampling=Sampling(max_tokens=150)))
        await anext(stream)
        assert engine.stats().num_running == 1
        await stream.aclose()
        assert engine.stats().num_running == 0
        await until(lambda: fake.num_left == 1)


async def test_an_adapter_without_effect_is_refused(fake: FakeVllm, start: Any, make_ref: Any):
    """The server says that it has it, and answers as the base does."""
    fake.lies = True
    ref = make_ref("a")
    async with start() as engine:
        with pytest.raises(AdapterRefused, match="a@1 changes nothing at the vLLM server"):
            await collect(engine, request(ref))
        assert not engine.holds(ref)
        fake.lies = False
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3


async def test_a_server_that_has_forgotten_gets_all_of_it_again(
    fake: FakeVllm, start: Any, make_ref: Any
):
    a, b = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        for ref in (a, b):
            await collect(engine, request(ref))
        fake.restart()
        answers = await asyncio.gather(
            *(tokens(engine, request(*each)) for each in ((a,), (b,), ()))
        )
    assert answers == [[token_of(a.folder)] * 3, [token_of(b.folder)] * 3, [BASE_TOKEN] * 3]
    assert fake.num_loads == 4


async def test_a_restart_is_noticed_without_a_request(
    fake: FakeVllm, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch_module, "INTERVAL", 0.02)
    ref = make_ref("a")
    async with start() as engine:
        await engine.load(ref)
        assert engine.holds(ref)
        fake.restart()
        await until(lambda: not engine.holds(ref))


async def test_a_list_that_is_older_than_an_adapter_says_nothing_of_it(
    fake: FakeVllm, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch_module, "INTERVAL", 0.02)
    a, b = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        fake.listing = 0.3
        await asyncio.sleep(0.1)  # a list is on its way
        for ref in (a, b):
            await collect(engine, request(ref))
        await asyncio.sleep(0.8)
        assert engine.holds(a)
        assert engine.holds(b)
    assert fake.num_loads == 2


async def test_other_answers_under_the_same_name_are_not_passed_on(
    fake: FakeVllm, start: Any, make_ref: Any
):
    ref, other = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        await collect(engine, request(ref))
        fake.restart()
        other.folder.joinpath("adapter_model.safetensors").replace(
            ref.folder / "adapter_model.safetensors"
        )
        with pytest.raises(EngineFailed, match=r"answers otherwise with a@\w+ than it did before"):
            await collect(engine, request(ref))
        assert fake.own == {}


async def test_a_failure_before_the_first_token_is_tried_once_more(
    fake: FakeVllm, start: Any, make_ref: Any
):
    ref = make_ref("a")
    async with start() as engine:
        await engine.load(ref)
        fake.fails = 1
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        fake.fails = 2
        with pytest.raises(EngineAway, match=r"not ready.*Try again shortly"):
            await collect(engine, request())


async def test_a_failure_after_the_first_token_is_told(fake: FakeVllm, start: Any):
    fake.breaks_after = 1
    async with start() as engine:
        stream = engine.submit(request())
        assert (await anext(stream)).text == "<1>"
        with pytest.raises(EngineFailed, match=r"in its middle\.$"):
            await anext(stream)


async def test_what_the_server_refuses_is_told_in_its_words(
    fake: FakeVllm, start: Any, make_ref: Any
):
    large, gone = make_ref("large", rank=32), make_ref("gone", seed=3)
    (gone.folder / "adapter_model.safetensors").unlink()
    async with start() as engine:
        with pytest.raises(AdapterRefused, match="rank 32 is greater than max_lora_rank 16"):
            await engine.load(large)
        with pytest.raises(AdapterRefused, match="has to be there under the same path") as told:
            await engine.load(gone)
    assert str(gone.folder) not in str(told.value)


async def test_an_adapter_whose_files_were_replaced_is_not_asked_for(
    fake: FakeVllm, start: Any, make_ref: Any
):
    def confirm(ref: AdapterRef) -> None:
        raise AdapterRefused("was replaced while it was loaded. Ask again.", ref)

    async with start(confirm=confirm) as engine:
        with pytest.raises(AdapterRefused, match="was replaced"):
            await collect(engine, request(make_ref("a")))
        assert fake.own == {}


async def test_an_adapter_in_use_is_unloaded_with_its_last_request(
    fake: FakeVllm, start: Any, make_ref: Any
):
    fake.delay = 0.01
    ref = make_ref("a")
    async with start() as engine:
        stream = engine.submit(request(ref, sampling=Sampling(max_tokens=10)))
        await anext(stream)
        await engine.unload(ref)
        assert len(fake.own) == 1
        assert len([delta async for delta in stream]) == 9
        assert (fake.own, engine.holds(ref)) == ({}, False)


async def test_one_failure_beside_a_stream_keeps_nobody_from_answering(
    fake: FakeVllm, start: Any, make_ref: Any
):
    fake.delay = 0.01
    a, b = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        stream = engine.submit(request(a, sampling=Sampling(max_tokens=150)))
        await anext(stream)
        fake.fails = 1
        for asked, token in ((request(b), token_of(b.folder)), (request(), BASE_TOKEN)):
            assert await tokens(engine, asked) == [token] * 3
        fake.folders.pop(push_name(()))  # it is proven anew beside the stream
        assert await tokens(engine, request()) == [BASE_TOKEN] * 3
        await stream.aclose()


async def test_those_not_asked_for_longest_make_room(
    fake: FakeVllm, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(residents_module, "MOST", 3)
    refs = [make_ref("a", seed=seed) for seed in range(1, 5)]
    async with start() as engine:
        for ref in refs:
            await collect(engine, request(ref))
        assert [engine.holds(ref) for ref in refs] == [False, False, True, True]
        assert await tokens(engine, request()) == [BASE_TOKEN] * 3
        assert engine.stats().num_adapter_evictions == 2


async def test_a_wrong_key_is_told_at_the_start(tmp_path: Path):
    with serving(FakeVllm(key="right")) as url:
        for key in (None, "wrong"):
            config = VllmConfig((url,), ZEROED, tmp_path / "kept", key)
            with pytest.raises(EngineFailed, match="Unauthorized"):
                await VllmEngine(WordTokenizer(), VOCABULARY, config).start()
        engine = VllmEngine(WordTokenizer(), VOCABULARY, replace(config, key="right"))
        await engine.start()
        await engine.stop()


async def test_an_adapter_is_loaded_ahead_and_unloaded(fake: FakeVllm, start: Any, make_ref: Any):
    ref = make_ref("a")
    async with start() as engine:
        report = await engine.load(ref)
        assert report.matched == ("layers.0.self_attn.q_proj",)
        await collect(engine, request(ref, make_ref("b", seed=2)))
        assert await engine.unload(ref) == report.num_bytes > 0
        assert await engine.unload(ref) == 0
        assert fake.own == {}


async def test_wrong_requests_are_refused_here(start: Any):
    async with start(max_requests=1) as engine:
        with pytest.raises(PromptTooLong):
            await collect(engine, request(sampling=Sampling(max_tokens=CONTEXT)))
        with pytest.raises(EngineFailed, match="no tokens"):
            await collect(engine, request(prompt_ids=()))
        with pytest.raises(EngineFailed, match="no token 1000"):
            await collect(engine, request(prompt_ids=(1000,)))
        with pytest.raises(BiasRefused):
            await collect(engine, request(sampling=Sampling(2, logit_bias=((1000, 1.0),))))
        with pytest.raises(SchemaRefused):
            await collect(engine, request(sampling=Sampling(2, json_schema="{")))
        stream = engine.submit(request())
        await anext(stream)
        with pytest.raises(EngineBusy):
            await collect(engine, request())
        await stream.aclose()
    with pytest.raises(EngineFailed):
        await collect(engine, request())


async def test_a_server_that_is_not_there_is_told_at_the_start(tmp_path: Path):
    engine = VllmEngine(
        WordTokenizer(), VOCABULARY, VllmConfig(("http://127.0.0.1:9",), ZEROED, tmp_path)
    )
    with pytest.raises(EngineFailed, match="cannot be reached"):
        await engine.start()
    assert not engine.stats().is_running


async def test_a_server_that_takes_no_adapters_says_how_it_would(tmp_path: Path):
    with serving(FakeVllm(takes_adapters=False)) as url:
        engine = VllmEngine(WordTokenizer(), VOCABULARY, VllmConfig((url,), ZEROED, tmp_path))
        with pytest.raises(EngineFailed, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
            await engine.start()
