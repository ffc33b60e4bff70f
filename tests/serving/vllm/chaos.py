"""Fakes that forget, lie, hang, are slow, fail and restart, one after the other, under load.

    python -m tests.serving.vllm.chaos 10   # minutes, with three of them

Each model's tokens are its own, so that an answer of a wrong one shows. Only one of them is in
trouble at a time, and not for long after another: so one retry cures all that comes before the
first token.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from serving.engine import Blend, Request, Sampling
from serving.errors import EngineFailed
from serving.vllm import client as client_module
from serving.vllm import watch as watch_module
from serving.vllm.engine import VllmEngine
from tests.serving.vllm.asking import make_ref_in, running
from tests.serving.vllm.fake import FakeVllm, serving

NUM_TOKENS = 8
NUM_CLIENTS = 8
TROUBLE, CALM = 1.5, 1.5  # [seconds]
LOOK, INTERVAL = (
    0.4,
    0.1,
)  # [seconds]: as serving/vllm/client.py and watch.py have them, but shorter
USUAL_DELAY, SLOW = 0.005, 0.1  # [seconds] a token


@dataclass
class Findings:
    """What has come of all requests."""

    ends: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])  # each with what was asked
    refused: list[str] = field(default_factory=list[str])  # errors before the first token
    num_loads: int = 0
    growth: int = 0  # [bytes] of this process, from a third of the time to the end


@dataclass
class Stage:
    """A fake at a port of its own, which can be taken away and set up again."""

    fake: FakeVllm
    stack: ExitStack = field(default_factory=ExitStack)
    url: str = ""

    def open(self) -> None:
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self.url = self.stack.enter_context(serving(self.fake, port))

    def close(self) -> None:
        self.stack.close()
        self.fake.restart()


async def forget(stage: Stage) -> None:
    stage.fake.restart()
    await asyncio.sleep(TROUBLE)


async def lie(stage: Stage) -> None:
    stage.fake.lies = True
    stage.fake.restart()
    await asyncio.sleep(TROUBLE)
    stage.fake.lies = False


async def restart(stage: Stage) -> None:
    await asyncio.to_thread(stage.close)
    await asyncio.sleep(TROUBLE / 2)
    stage.open()


Trouble = Callable[[Stage], Awaitable[None]]


def suffering(name: str, value: object) -> Trouble:
    """A field of the fake is set to something, and then to what it was."""

    async def suffer(stage: Stage) -> None:
        usual = getattr(stage.fake, name)
        setattr(stage.fake, name, value)
        await asyncio.sleep(TROUBLE)
        setattr(stage.fake, name, usual)

    return suffer


hang, fail = suffering("hangs", True), suffering("breaks", True)
be_slow = suffering("delay", SLOW)
TROUBLES: tuple[Trouble, ...] = (forget, lie, hang, be_slow, fail, restart)


async def rage(
    seconds: float, num_servers: int, folder: Path, troubles: Sequence[Trouble] = TROUBLES
) -> Findings:
    """Make trouble for so long while clients ask; every trouble at every server in its turn."""
    client_module.LOOK, watch_module.INTERVAL = LOOK, INTERVAL
    stages = [Stage(FakeVllm(delay=USUAL_DELAY)) for _ in range(num_servers)]
    found = Findings()
    with ExitStack() as stack:
        for stage in stages:
            stage.open()
            stack.callback(stage.close)
        urls = [stage.url for stage in stages]
        async with running(*urls, kept=folder / "kept") as engine:
            tokens = await _own_tokens(engine, _blends(folder))
            end = time.monotonic() + seconds
            clients = [
                asyncio.create_task(_ask(engine, tokens, end, found, random.Random(number)))
                for number in range(NUM_CLIENTS)
            ]
            await _make_trouble(stages, troubles, seconds, found)
            await asyncio.gather(*clients)
            found.num_loads = engine.stats().num_adapter_loads
            assert engine.stats().num_running == 0
    return found


def _blends(folder: Path) -> list[Blend]:
    refs = [make_ref_in(folder, f"a{number}", seed=number) for number in range(5)]
    return [
        (),
        *(((ref, 1.0),) for ref in refs),
        ((refs[0], 0.7), (refs[1], 0.3)),
        ((refs[2], 0.25),),
    ]


async def _own_tokens(engine: VllmEngine, blends: Sequence[Blend]) -> dict[Blend, int]:
    """What each answers while all is well, and no two the same."""
    tokens = {blend: (await _answer(engine, blend))[0] for blend in blends}
    assert len({*tokens.values()}) == len(blends), tokens.values()
    return tokens


async def _answer(engine: VllmEngine, blend: Blend, coming: list[int] | None = None) -> list[int]:
    coming = [] if coming is None else coming
    sampling = Sampling(max_tokens=NUM_TOKENS, temperature=0.0)
    async for delta in engine.submit(Request("1", (5, 6), blend=blend, sampling=sampling)):
        coming.extend(delta.token_ids)
    return coming


async def _ask(
    engine: VllmEngine,
    tokens: dict[Blend, int],
    end: float,
    found: Findings,
    chance: random.Random,
) -> None:
    while time.monotonic() < end:
        blend = chance.choice([*tokens])
        coming: list[int] = []
        try:
            await _answer(engine, blend, coming)
            found.ends["whole"] += 1
        except EngineFailed as error:
            found.ends["broken" if coming else "refused"] += 1
            if not coming:
                found.refused.append(f"{error!r}")
        if any(token != tokens[blend] for token in coming):
            found.wrong.append(f"{blend}: {coming}")
        await asyncio.sleep(chance.random() * 0.02)


async def _make_trouble(
    stages: Sequence[Stage], troubles: Sequence[Trouble], seconds: float, found: Findings
) -> None:
    process, begin, number, before = psutil.Process(), time.monotonic(), 0, 0
    while (passed := time.monotonic() - begin) < seconds - TROUBLE - CALM:
        if not before and passed > seconds / 3:
            before = process.memory_info().rss
        trouble = troubles[number % len(troubles)]
        await trouble(stages[(number // len(troubles) + number) % len(stages)])
        await asyncio.sleep(CALM)
        number += 1
    found.growth = process.memory_info().rss - before if before else 0


def main() -> int:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(rage(60 * minutes, 3, Path(folder)))
    print(  # noqa: T201 - its answer
        f"{dict(found.ends)}, {len(found.wrong)} of a wrong adapter, {found.num_loads} loads, "
        f"{found.growth / 2**20:+.1f} MiB",
        *found.wrong,
        *found.refused,
        sep="\n",
    )
    return 1 if found.wrong or found.refused else 0


if __name__ == "__main__":
    sys.exit(main())
