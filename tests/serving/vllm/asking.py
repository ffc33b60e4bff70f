"""Adapters whose answers the fake knows, and requests for them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from serving.engine import AdapterRef, Delta, Request, Sampling
from serving.vllm.engine import VllmEngine
from serving.vllm.fleet import VllmConfig

VOCABULARY = 1000
ZEROED = ("model.layers.0.self_attn.q_proj", (6, 4))
ASKED = Sampling(max_tokens=3, temperature=0.0)


class WordTokenizer:
    """Each token is a word of its own, and of no text there are many."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [len(text) % VOCABULARY]

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        return "".join(f"<{each}>" for each in token_ids)


def make_ref_in(folder: Path, name: str, seed: int = 1, rank: int = 2, **config: Any) -> AdapterRef:
    folder = folder / f"{name}-{seed}"
    folder.mkdir()
    torch.manual_seed(seed)
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    weights = {
        f"{module}.lora_A.weight": torch.randn(rank, 4),
        f"{module}.lora_B.weight": torch.randn(6, rank),
    }
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    return AdapterRef(name, "1", f"sha-{folder}", folder)


@asynccontextmanager
async def running(
    *urls: str, kept: Path, confirm: Any = None, **options: Any
) -> AsyncGenerator[VllmEngine]:
    config = VllmConfig(urls, ZEROED, kept, **options)
    engine = VllmEngine(WordTokenizer(), VOCABULARY, config, confirm)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def request(*adapters: AdapterRef, sampling: Sampling = ASKED, **fields: Any) -> Request:
    usual = Request("1", (5, 6), blend=tuple((each, 1.0) for each in adapters), sampling=sampling)
    return replace(usual, **fields)


async def until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happens():
            await asyncio.sleep(0.01)


async def collect(engine: VllmEngine, asked: Request) -> list[Delta]:
    return [delta async for delta in engine.submit(asked)]


async def tokens(engine: VllmEngine, asked: Request) -> list[int]:
    return [each for delta in await collect(engine, asked) for each in delta.token_ids]
