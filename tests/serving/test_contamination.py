"""No answer is another adapter's: not through the cache, the granules, or a name used again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from serving.engine import AdapterRef, Blend, Delta, Engine, Request
from serving.torch.native.library import Library
from tests.serving.engines import (
    GREEDY,
    PROMPTS,
    TOLERANCE,
    alone,
    assert_same,
    collect,
    collect_alone,
    encode,
    make_llama_engine,
    make_ref,
    needs_int8,
    needs_llamacpp,
    place,
    running,
    token_ids,
)

TOLD = replace(GREEDY, max_tokens=6, top_logprobs=2)
NUM_INTERLEAVINGS = 60  # of each engine below
NUM_ACTIONS = 10
# Little of everything, so that blocks and granules pass from one adapter to another.
ENGINES: list[dict[str, Any]] = [
    {},
    {"max_rows": 2, "chunk_tokens": 24},
    {"max_rows": 3, "context_length": 96, "kv_bytes": 0},
    {"max_rows": 8, "adapter_bytes": 0},
    {"max_rows": 4, "context_length": 96, "kv_bytes": 0, "adapter_bytes": 100_000},
]
# The third has room for one context alone.
LLAMA_ENGINES: list[dict[str, Any]] = [
    {},
    {"max_rows": 2, "chunk_tokens": 24},
    {"max_rows": 3, "kv_bytes": 0, "adapter_bytes": 0},
]


class World:
    """Adapters by name, each with versions that replace one another; and what is true of them."""

    def __init__(
        self, base: Path, versions: dict[str, list[AdapterRef]], options: dict[str, Any]
    ) -> None:
        self.base = base
        self.versions = versions
        self.options = options  # of every engine
        self.tolerance = TOLERANCE
        self.prompts = [encode(base, PROMPTS[2] * 5), encode(base, PROMPTS[2] * 5 + PROMPTS[1])]
        self._true: dict[Request, list[Delta]] = {}

    def request(self, prompt: int, blend: Blend) -> Request:
        return Request("", self.prompts[prompt], (), blend, TOLD)

    async def true_answer(self, request: Request) -> list[Delta]:
        """From an engine that has never heard of anything else."""
        if request not in self._true:
            self._true[request] = (await collect_alone(self.base, [request], **self.options))[0]
        return self._true[request]


class Interleaving:
    """A random course of questions, in flight together, replaced adapters and departures."""

    def __init__(self, world: World, engine: Engine, seed: int) -> None:
        self._world = world
        self._engine = engine
        self._random = Random(seed)
        self._current = {name: versions[0] for name, versions in world.versions.items()}
        self._asked: list[tuple[Request, asyncio.Task[list[Delta]]]] = []

    async def run(self) -> int:
        """The number of answers, all of which were true."""
        actions = [self._ask, self._ask, self._ask, self._leave, self._replace, self._pause]
        for _ in range(NUM_ACTIONS):
            await self._random.choice(actions)()
        found = [await answer for _, answer in self._asked]
        expected = [await self._world.true_answer(request) for request, _ in self._asked]
        assert_same(found, expected, self._world.tolerance)
        return len(found)

    async def _ask(self) -> None:
        request = self._request()
        self._asked.append((request, asyncio.create_task(collect(self._engine, request))))

    async def _leave(self) -> None:
        stream = self._engine.submit(self._request())
        await anext(stream)
        await stream.aclose()

    async def _replace(self) -> None:
        name = self._random.choice(list(self._current))
        old, new = self._current[name], self._random.choice(self._world.versions[name])
        if self._random.random() < 0.5:
            await self._engine.unload(old)
        if self._random.random() < 0.5:
            await self._engine.load(new)
        self._current[name] = new

    async def _pause(self) -> None:
        if self._asked:
            await self._random.choice(self._asked)[1]

    def _request(self) -> Request:
        a, b = self._current["a"], self._current["b"]
        blends: list[Blend] = [(), alone(a), alone(b), ((a, 0.5),), ((a, 0.5), (b, 0.5))]
        return self._world.request(self._random.randrange(2), self._random.choice(blends))


@pytest.fixture(scope="module")
def world(make_base: Any, make_adapter: Any, tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(make_base("llama"), make_adapter, tmp_path_factory.mktemp("adapters"))


def make_world(base: Path, make_adapter: Any, folder: Path) -> World:
    kinds: list[dict[str, Any]] = [
        {"r": 4},
        {"r": 24},
        {"r": 4, "target_modules": ["q_proj", "down_proj"], "std": 0.3},
    ]
    versions = {
        name: [
            make_ref(
                make_adapter(base, folder / f"{name}{version}", seed=10 * start + version, **kind),
                name,
                str(version),
            )
            for version, kind in enumerate(kinds)
        ]
        for start, name in enumerate(("a", "b"))
    }
    return World(base, versions, {})


async def test_the_adapters_and_their_versions_answer_differently(world: World):
    """So a wrong one would show."""
    refs = [ref for versions in world.versions.values() for ref in versions]
    blends: list[Blend] = [(), *map(alone, refs)]
    for prompt in range(len(world.prompts)):
        answers = [
            tuple(token_ids(await world.true_answer(world.request(prompt, blend))))
            for blend in blends
        ]
        assert len(set(answers)) == len(blends)


@pytest.mark.parametrize("options", ENGINES, ids=str)
async def test_no_history_changes_an_answer(options: dict[str, Any], world: World):
    await check(world, options)


@needs_int8
async def test_no_history_changes_a_compiled_answer_in_the_last_bit(
    world: World, library: Library, tmp_path: Path
):
    place(tmp_path, library)
    compiled = World(world.base, world.versions, {"precision": "int8", "compiled": tmp_path})
    compiled.tolerance = 1e-12
    await check(compiled, ENGINES[-1])


@needs_llamacpp
@pytest.mark.parametrize("options", LLAMA_ENGINES, ids=str)
async def test_no_history_changes_an_answer_of_llama_cpp(options: dict[str, Any], world: World):
    llama = World(world.base, world.versions, {"make": make_llama_engine})
    llama.tolerance = 0.05  # keys and values are float16 there
    await check(llama, options)


@needs_llamacpp
async def test_no_history_changes_an_answer_where_windows_slide(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    """The prompts are longer than the window, what has left it is overwritten."""
    world = make_world(make_base("gemma3_text", tied=True), make_adapter, tmp_path)
    world.options, world.tolerance = {"make": make_llama_engine}, 0.1
    assert min(map(len, world.prompts)) > 32
    await check(world, {"context_length": 128, "kv_bytes": 0}, has_cached=False)


async def check(world: World, options: dict[str, Any], *, has_cached: bool = True) -> None:
    num_answers = 0
    async with running(world.base, **options, **world.options) as engine:
        for seed in range(NUM_INTERLEAVINGS):
            num_answers += await Interleaving(world, engine, seed).run()
        stats = engine.stats()
    assert num_answers > 3 * NUM_INTERLEAVINGS
    assert stats.num_cached_tokens > 0 or not has_cached
    assert stats.num_free_blocks == stats.num_blocks
    assert (stats.num_running, stats.num_waiting) == (0, 0)
