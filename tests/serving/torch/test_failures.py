"""What goes wrong ends with an error for those whom it concerns, and for nobody else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore
from serving.engine import AdapterRef, Engine, Request, ServedPrecision
from serving.errors import AdapterRefused, EngineFailed
from serving.torch.engine import TorchEngine, TorchEngineConfig
from tests.serving.engines import (
    GREEDY,
    PROMPTS,
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
    tokenizer_of,
)


class Breaking:
    """A tokenizer that raises, in the engine's thread, once it is armed."""

    def __init__(self, base: Path, error: BaseException) -> None:
        self._tokenizer = tokenizer_of(base)
        self._error = error
        self.is_armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        if self.is_armed:
            raise self._error
        return self._tokenizer.decode(token_ids, skip_special_tokens=skip_special_tokens)


async def failures_of(engine: Engine, requests: Sequence[Request]) -> list[Any]:
    async with asyncio.timeout(60):
        return await asyncio.gather(
            *(collect(engine, request) for request in requests), return_exceptions=True
        )


def make_requests(base: Path, count: int, ref: AdapterRef | None = None) -> list[Request]:
    blends = [(), alone(ref)] if ref else [()]
    return [
        Request(str(i), encode(base, PROMPTS[i % 4]), (), blends[i % len(blends)], GREEDY)
        for i in range(count)
    ]


async def test_a_failing_step_ends_its_requests_and_the_next_are_answered(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    requests = make_requests(base, 7, ref)
    tokenizer = Breaking(base, RuntimeError("a bad step"))
    engine = TorchEngine(base, tokenizer, TorchEngineConfig(max_rows=3))
    await engine.start()
    for _ in range(3):
        tokenizer.is_armed = True
        assert {type(answer) for answer in await failures_of(engine, requests)} == {EngineFailed}
        tokenizer.is_armed = False
        stats = engine.stats()
        assert (stats.num_running, stats.num_waiting) == (0, 0)
        assert stats.num_free_blocks == stats.num_blocks
        answers = await collect_all(engine, requests)
        assert_same(answers, await collect_alone(base, requests))
    await engine.unload(ref)
    assert engine.stats().num_resident_adapters == 0
    await engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=repr)
async def test_no_request_waits_for_an_engine_whose_thread_has_died(
    error: BaseException, make_base: Any
):
    base = make_base("llama")
    requests = make_requests(base, 7)
    tokenizer = Breaking(base, error)
    engine = TorchEngine(base, tokenizer, TorchEngineConfig(max_rows=3))
    await engine.start()
    tokenizer.is_armed = True
    assert {type(answer) for answer in await failures_of(engine, requests)} == {EngineFailed}
    for _ in range(2):
        assert {type(answer) for answer in await failures_of(engine, requests)} == {EngineFailed}
    with pytest.raises(EngineFailed):
        await engine.unload(make_ref(base, "a"))
    await engine.stop()
    tokenizer.is_armed = False
    await engine.start()  # and it can be started anew
    assert_same(await collect_all(engine, requests), await collect_alone(base, requests))
    await engine.stop()


async def test_requests_made_before_the_base_is_loaded_or_cannot_be_are_refused(
    make_base: Any, tmp_path: Path
):
    base = make_base("llama")
    request = make_requests(base, 1)[0]
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((base / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    async with asyncio.timeout(60):
        engine = TorchEngine(tmp_path, tokenizer_of(base), TorchEngineConfig())
        starting = asyncio.create_task(engine.start())
        await asyncio.sleep(0)
        with pytest.raises(EngineFailed):
            await collect(engine, request)
        with pytest.raises(Exception, match=r"(?i)header|safetensor"):
            await starting
        with pytest.raises(EngineFailed):
            await collect(engine, request)
        await engine.stop()


@pytest.mark.parametrize("beyond", [None, 0, 10**6])
async def test_a_token_that_the_base_does_not_have_ends_one_request_alone(
    beyond: int | None, make_base: Any
):
    base = make_base("llama")
    token_id = -1 if beyond is None else len(tokenizer_of(base)) + beyond
    requests = make_requests(base, 2)
    outside = Request("outside", (*requests[0].prompt_ids, token_id), (), (), GREEDY)
    async with running(base) as engine:
        one, bad, other = await failures_of(engine, [requests[0], outside, requests[1]])
    assert isinstance(bad, EngineFailed)
    assert str(token_id) in str(bad)
    assert_same([one, other], await collect_alone(base, requests))


@pytest.mark.parametrize(
    ("side", "size", "precision"),
    [
        ("lora_A", 1e20, "fp32"),
        ("lora_B", 1e20, "fp32"),
        ("lora_", 1e8, "fp32"),
        ("lora_", 1e20, "fp32"),
        ("lora_", 1e37, "fp32"),
        ("lora_", 1e20, "nf4"),
        pytest.param("lora_", 1e8, "int8", marks=needs_int8),
        pytest.param("lora_", 1e20, "int8", marks=needs_int8),
    ],
)
async def test_an_adapter_beyond_all_measure_hurts_nobody_else(
    side: str,
    size: float,
    precision: ServedPrecision,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
):
    """As a training that diverged leaves it: it has no answer, and leaves no trace in any block."""
    base = make_base("llama")
    good = make_ref(make_adapter(base, tmp_path / "good"), "good")
    bad = make_ref(make_adapter(base, tmp_path / "bad", seed=2, r=20), "bad")
    weights = bad.folder / "adapter_model.safetensors"
    tensors = {
        key: tensor * size if side in key else tensor for key, tensor in load_file(weights).items()
    }
    save_file(tensors, weights)
    requests = make_requests(base, 4, good)
    broken = [
        Request(f"-{i}", r.prompt_ids, (), alone(bad), GREEDY) for i, r in enumerate(requests)
    ]
    numbers = exact_options({"precision": precision}, request, tmp_path / "compiled")
    expected = await collect_alone(base, requests, **numbers)
    options: dict[str, Any] = {"max_rows": 4, "context_length": 64, "kv_bytes": 0}
    async with running(base, **numbers, **options) as engine:
        for _ in range(3):
            answers = await failures_of(engine, [*broken, *requests])
            assert_same(answers[4:], expected)
            assert_same(await collect_all(engine, requests), expected)


async def test_an_answer_from_no_numbers_is_an_error(make_base: Any, tmp_path: Path):
    """Greedy or not, as a base does that is damaged or too large for its precision."""
    base = make_base("llama")
    for path in base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["model.norm.weight"].fill_(float("nan"))
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    async with running(tmp_path) as engine:
        with pytest.raises(EngineFailed, match="no token"):
            await collect(engine, make_requests(base, 1)[0])
        assert engine.stats().num_running == 0


async def test_weights_that_are_not_those_of_the_hash_are_not_kept(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    """Replaced between the hashing and the reading: kept, they would answer for the old ones."""
    base = make_base("llama")
    name, other = (
        make_adapter(base, tmp_path / "a" / "a"),
        make_adapter(base, tmp_path / "b", seed=2),
    )
    store = AdapterStore(tmp_path / "a")
    old = store.pin(store.entry(Part("a")))
    weights = name / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes((other / weights.name).read_bytes())
    request = make_requests(base, 2, old)[1]
    engine = TorchEngine(base, tokenizer_of(base), TorchEngineConfig(), store.confirm)
    await engine.start()
    with pytest.raises(AdapterRefused, match="was replaced"):
        await collect(engine, request)
    assert engine.stats().num_resident_adapters == 0
    weights.write_bytes(kept)
    found = await collect(engine, request)
    await engine.stop()
    assert_same([found], await collect_alone(base, [request]))
