"""Hundreds of random operations, bad adapters among them: right answers, no crash, no leak."""

import asyncio
import gc
import json
import random
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.engine import AdapterRef, Blend, Request, Sampling
from serving.errors import AdapterRefused
from tests.serving.engines import (
    PROMPTS,
    alone,
    collect,
    encode,
    make_llama_engine,
    make_ref,
    needs_llamacpp,
    running,
    token_ids,
)

pytestmark = needs_llamacpp

NUM_OPERATIONS, NUM_WARM_UP = 500, 200
GROWTH = 1.05  # of resident memory, after the warm-up
TOLD = Sampling(max_tokens=6, temperature=0, ignore_eos=True)


def make_bad(base: Path, other: Path, make_adapter: Any, folder: Path) -> list[AdapterRef]:
    """One that is corrupt, cut short, of another architecture, of another shape, no numbers."""
    names = ("corrupt", "truncated", "foreign", "misshaped", "endless", "settings")
    folders = {
        name: make_adapter(other if name == "foreign" else base, folder / name) for name in names
    }
    weights = {name: path / "adapter_model.safetensors" for name, path in folders.items()}
    content = weights["corrupt"].read_bytes()
    weights["corrupt"].write_bytes(b"\xff" * 100 + content[100:])
    weights["truncated"].write_bytes(content[:-1000])
    tensors = load_file(weights["misshaped"])
    first = next(key for key in tensors if "q_proj.lora_B" in key)
    save_file(tensors | {first: torch.ones(10, 4)}, weights["misshaped"])
    save_file({k: v * torch.nan for k, v in tensors.items()}, weights["endless"])
    config = folders["settings"] / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": 1e300}))
    return [make_ref(path, name) for name, path in folders.items()]


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(
    "options", [{"num_threads": 2}, {"kv_bytes": 0, "adapter_bytes": 0, "max_rows": 3}], ids=str
)
async def test_random_operations_under_load(
    options: dict[str, Any], make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    good = [make_ref(make_adapter(base, tmp_path / n, seed=ord(n)), n) for n in "abcdef"]
    bad = make_bad(base, make_base("qwen3"), make_adapter, tmp_path)
    prompts = [encode(base, prompt) for prompt in PROMPTS]
    chance, process = random.Random(7), psutil.Process()
    known: dict[Request, list[int]] = {}
    memory: list[int] = []

    def blend_of() -> Blend:
        return chance.choice([(), alone(chance.choice(good)), tuple((r, 0.5) for r in good[:2])])

    async with running(base, make_llama_engine, **options) as engine:

        async def ask() -> None:
            request = Request("", chance.choice(prompts), (), blend_of(), TOLD)
            found = token_ids(await collect(engine, request))
            assert known.setdefault(request, found) == found

        async def leave() -> None:
            stream = engine.submit(Request("", prompts[0], (), blend_of(), TOLD))
            await anext(stream)
            await stream.aclose()

        async def load() -> None:
            await engine.load(chance.choice(good))

        async def unload() -> None:
            await engine.unload(chance.choice(good))

        async def be_refused() -> None:
            ref = chance.choice(bad)
            with pytest.raises(AdapterRefused):
                await engine.load(ref)
            with pytest.raises(AdapterRefused):
                await collect(engine, Request("", prompts[1], (), alone(ref), TOLD))

        actions = [ask, ask, ask, leave, load, unload, be_refused]
        for first in range(0, NUM_OPERATIONS, 10):
            await asyncio.gather(*(chance.choice(actions)() for _ in range(10)))
            if first >= NUM_WARM_UP:
                gc.collect()
                memory.append(process.memory_info().rss)
        stats = engine.stats()
    assert (stats.num_running, stats.num_waiting) == (0, 0)
    assert stats.num_free_blocks == stats.num_blocks
    assert len(known) > 20
    half = len(memory) // 2
    assert max(memory[half:]) < GROWTH * max(memory[:half])
