"""Several servers: which of them is asked, and what happens where one fails."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serving.engine import Request, Sampling
from serving.errors import AdapterRefused, EngineAway, EngineFailed
from serving.vllm import fleet as fleet_module
from serving.vllm import proof as proof_module
from serving.vllm import watch as watch_module
from serving.vllm.engine import VllmEngine
from serving.vllm.proof import Proof, References
from serving.vllm.pushed import push_name
from serving.vllm.routing import FULL
from tests.serving.vllm.asking import collect, request, running, tokens, until
from tests.serving.vllm.fake import BASE_TOKEN, FakeVllm, serving, token_of

LONG = Sampling(max_tokens=100)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "INTERVAL", 0.05)


@pytest.fixture
def fakes() -> list[FakeVllm]:
    return [FakeVllm(delay=0.01) for _ in range(3)]


@pytest.fixture
def urls(fakes: list[FakeVllm]) -> Generator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(fake)) for fake in fakes]


@pytest.fixture
def start(urls: list[str], tmp_path: Path) -> Callable[..., Any]:
    return partial(running, *urls, kept=tmp_path / "kept")


def states(engine: VllmEngine) -> list[str]:
    return [server.state for server in engine.stats().servers]


def holders(fakes: list[FakeVllm], name: str) -> list[FakeVllm]:
    return [fake for fake in fakes if any(each.startswith(f"{name}@") for each in fake.own)]


async def test_each_model_has_a_home_of_its_own(fakes: Any, start: Any, make_ref: Any):
    refs = [make_ref(f"a{number}", seed=number) for number in range(12)]
    async with start() as engine:
        for _ in range(3):
            for ref in refs:
                assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        assert sum(fake.num_loads for fake in fakes) == len(refs)
        assert sum(bool(fake.num_loads) for fake in fakes) > 1
        assert engine.stats().num_resident_adapters == len(refs)


async def test_a_model_gets_more_homes_as_more_is_asked_of_it(
    fakes: Any, start: Any, make_ref: Any
):
    ref = make_ref("a")
    async with start() as engine:
        await collect(engine, request(ref))
        assert len(holders(fakes, "a")) == 1
        many = (tokens(engine, request(ref, sampling=LONG)) for _ in range(3 * FULL))
        answers = await asyncio.gather(*many)
        assert all(answer == [token_of(ref.folder)] * 100 for answer in answers)
        assert len(holders(fakes, "a")) == 3


async def test_the_base_is_asked_where_the_least_runs(fakes: Any, start: Any):
    async with start() as engine:
        await asyncio.gather(*(tokens(engine, request(sampling=LONG)) for _ in range(9)))
        counts = [server.num_requests for server in engine.stats().servers]
    assert counts == [3, 3, 3]


async def place_of(engine: VllmEngine, asked: Request) -> str:
    """The server that has answered."""
    before = {each.url: each.num_requests for each in engine.stats().servers}
    await collect(engine, asked)
    (url,) = (each.url for each in engine.stats().servers if each.num_requests > before[each.url])
    return url


async def test_a_conversation_stays_where_it_was(start: Any):
    """It began while the server that is asked otherwise was at work."""
    async with start() as engine:
        places: dict[int, str] = {}
        for turn, is_busy in enumerate((True, False, False)):
            begun = [engine.submit(request(sampling=LONG)) for _ in range(2 if is_busy else 0)]
            for stream in begun:
                await anext(stream)
            for number in range(3):
                prompt_ids = (*range(number * 20, number * 20 + 20), *(900,) * 20 * turn)
                url = await place_of(engine, request(prompt_ids=prompt_ids))
                assert places.setdefault(number, url) == url
            for stream in begun:
                await stream.aclose()
        new = await place_of(engine, request(prompt_ids=tuple(range(500, 520))))
        assert new not in places.values()


async def test_another_server_answers_where_one_fails_before_the_first_token(
    fakes: Any, start: Any, make_ref: Any
):
    ref = make_ref("a")
    async with start() as engine:
        await collect(engine, request(ref))
        (home,) = holders(fakes, "a")
        home.breaks = True
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        home.breaks = False
        await until(lambda: states(engine) == ["ready"] * 3)


async def test_a_server_that_is_killed_costs_no_answer_its_beginning(tmp_path: Path, make_ref: Any):
    refs = [make_ref(f"a{number}", seed=number) for number in range(6)]
    fakes = [FakeVllm(delay=0.01), FakeVllm(delay=0.01)]
    with ExitStack() as stack:
        first = stack.enter_context(serving(fakes[0]))
        second = ExitStack()
        stack.callback(second.close)
        urls = (first, second.enter_context(serving(fakes[1])))
        async with running(*urls, kept=tmp_path / "kept") as engine:
            begun = [engine.submit(request(each, sampling=LONG)) for each in refs]
            for stream in begun:
                await anext(stream)
            await asyncio.to_thread(second.close)
            answers = await asyncio.gather(*(tokens(engine, request(each)) for each in refs))
            assert answers == [[token_of(each.folder)] * 3 for each in refs]
            ends = await asyncio.gather(*(_rest(each) for each in begun), return_exceptions=True)
            kinds = Counter(type(each) for each in ends)
            assert kinds[EngineFailed] == len(fakes[1].own)
            assert kinds[int] == len(refs) - len(fakes[1].own)
            assert states(engine) == ["ready", "away"]


async def _rest(stream: Any) -> int:
    return len([delta async for delta in stream])


async def test_a_server_that_hangs_is_left_for_another(
    fakes: Any, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("serving.vllm.client.LOOK", 0.2)
    ref = make_ref("a")
    async with start() as engine:
        await collect(engine, request(ref))
        (home,) = holders(fakes, "a")
        begun = engine.submit(request(ref, sampling=LONG))
        await anext(begun)
        home.hangs = True
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        home.hangs = False
        assert await _rest(begun) == 99
        await until(lambda: states(engine) == ["ready"] * 3)


async def test_a_server_that_lies_is_left_for_another(fakes: Any, start: Any, make_ref: Any):
    refs = [make_ref(f"a{number}", seed=number) for number in range(9)]
    fakes[0].lies = True
    async with start() as engine:
        for ref in refs:
            assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        assert fakes[0].own == {}
        for fake in fakes:
            fake.lies = True
        with pytest.raises(AdapterRefused, match="changes nothing"):
            await collect(engine, request(make_ref("b", seed=40)))


async def test_what_no_longer_answers_as_it_did_is_noticed_and_given_again(
    fakes: Any, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch_module, "PROOF_LOOKS", 1)
    ref, other = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        await collect(engine, request(ref))
        (home,) = holders(fakes, "a")
        (name,) = home.own
        home.folders[name] = other.folder
        await until(lambda: name not in home.folders)
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3


async def test_a_restarted_server_gets_back_what_it_had(fakes: Any, start: Any, make_ref: Any):
    refs = [make_ref(f"a{number}", seed=number) for number in range(6)]
    async with start() as engine:
        for ref in refs:
            await collect(engine, request(ref))
        had = [{*fake.folders} for fake in fakes]
        for fake in fakes:
            fake.restart()
        await until(lambda: [{*fake.folders} for fake in fakes] == had)
        assert [server.num_restarts for server in engine.stats().servers] == [1, 1, 1]


async def test_a_drained_server_ends_what_it_has_and_gets_nothing_new(
    urls: list[str], fakes: Any, start: Any, make_ref: Any
):
    ref = make_ref("a")
    async with start() as engine:
        begun = engine.submit(request(ref, sampling=LONG))
        await anext(begun)
        (home,) = holders(fakes, "a")
        url = urls[fakes.index(home)]
        assert engine.drain(url, is_draining=True)
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        assert len(holders(fakes, "a")) == 2
        assert await _rest(begun) == 99
        for each in urls:
            engine.drain(each, is_draining=True)
        with pytest.raises(EngineAway):
            await collect(engine, request())
        assert engine.drain(url, is_draining=False)
        assert await tokens(engine, request()) == [BASE_TOKEN] * 3
        assert not engine.drain("http://elsewhere", is_draining=True)


async def test_a_request_waits_for_a_server_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fleet_module, "PATIENCE", 5.0)
    fake = FakeVllm()
    with ExitStack() as stack:
        first = ExitStack()
        stack.callback(first.close)
        url = first.enter_context(serving(fake))
        async with running(url, kept=tmp_path / "kept") as engine:
            await asyncio.to_thread(first.close)
            fake.restart()
            waiting = asyncio.create_task(tokens(engine, request()))
            await until(lambda: states(engine) == ["away"])
            assert not engine.stats().is_running
            stack.enter_context(serving(fake, int(url.rpartition(":")[2])))
            assert await waiting == [BASE_TOKEN] * 3
            monkeypatch.setattr(fleet_module, "PATIENCE", 0.1)
            fake.breaks = True
            await until(lambda: states(engine) == ["away"])
            with pytest.raises(EngineAway, match="Try again shortly"):
                await collect(engine, request())


async def test_a_server_that_comes_later_is_taken_in(tmp_path: Path, urls: list[str]):
    late = FakeVllm()
    with serving(late) as url:
        pass
    async with running(urls[0], url, kept=tmp_path / "kept") as engine:
        assert states(engine) == ["ready", "away"]
        with serving(late, int(url.rpartition(":")[2])):
            await until(lambda: states(engine) == ["ready", "ready"])


async def test_a_server_with_less_context_than_the_others_is_not_asked(tmp_path: Path, urls: Any):
    short = FakeVllm()
    with serving(short) as url:
        async with running(urls[0], url, kept=tmp_path / "kept") as engine:
            short.context = 100
            await until(lambda: states(engine) == ["ready", "away"])
            assert "100 tokens" in str(engine.stats().servers[1].reason)


async def test_a_new_version_is_loaded_wherever_its_name_is_asked(
    fakes: Any, start: Any, make_ref: Any
):
    old, new = make_ref("a"), make_ref("a", seed=2)
    async with start() as engine:
        many = [engine.submit(request(old, sampling=LONG)) for _ in range(2 * FULL + 1)]
        for stream in many:
            await anext(stream)
        await until(lambda: len(holders(fakes, "a")) == 3)
        await engine.load(new)
        assert all(len(fake.own) == 2 for fake in fakes)
        for stream in many:
            await stream.aclose()


async def test_noise_is_no_effect(fakes: Any, start: Any, make_ref: Any):
    """A server in bfloat16 answers the same question otherwise in another batch."""
    for fake in fakes:
        fake.noise = 0.1
    async with start() as engine:
        ref = make_ref("a")
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        for fake in fakes:
            fake.lies = True
        with pytest.raises(AdapterRefused, match="changes nothing"):
            await collect(engine, request(make_ref("b", seed=2)))


async def test_a_server_that_proves_nothing_is_left_out_until_it_does(
    tmp_path: Path, urls: list[str]
):
    odd = FakeVllm(is_odd=True)
    with serving(odd) as url:
        async with running(urls[0], url, kept=tmp_path / "kept") as engine:
            assert states(engine) == ["ready", "away"]
            assert "answers oddly" in str(engine.stats().servers[1].reason)
            odd.is_odd = False
            await until(lambda: states(engine) == ["ready", "ready"])


async def test_a_server_that_takes_long_at_the_start_comes_later(
    tmp_path: Path, urls: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fleet_module, "FIRST_LOOK", 0.2)
    late = FakeVllm(mute=True)
    with serving(late) as url:
        async with running(urls[0], url, kept=tmp_path / "kept") as engine:
            assert states(engine) == ["ready", "away"]
            late.mute = False
            await until(lambda: states(engine) == ["ready", "ready"])


async def test_a_server_that_answers_nothing_but_lists_is_left_for_another(
    fakes: Any, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch_module, "QUIET", 0.3)
    monkeypatch.setattr(watch_module, "LONGEST_LOOK", 0.5)
    ref = make_ref("a")
    async with start() as engine:
        await collect(engine, request(ref))
        (home,) = holders(fakes, "a")
        home.mute = True
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        await until(lambda: sorted(states(engine)) == ["away", "ready", "ready"])
        home.mute = False
        await until(lambda: states(engine) == ["ready"] * 3)


async def test_a_stop_tells_whoever_waits_for_an_adapter(fakes: Any, start: Any, make_ref: Any):
    async with start() as engine:
        for fake in fakes:
            fake.slow_load = 5.0
        asked = asyncio.create_task(tokens(engine, request(make_ref("a"))))
        loaded = asyncio.create_task(engine.load(make_ref("b", seed=2)))
        await asyncio.sleep(0.3)
        await engine.stop()
        for task in (asked, loaded):
            with pytest.raises(EngineFailed):
                await task


async def test_an_adapter_that_is_removed_while_it_is_pushed_does_not_stay(
    fakes: Any, start: Any, make_ref: Any
):
    ref = make_ref("a")
    async with start() as engine:
        for fake in fakes:
            fake.slow_load = 0.3
        loading = asyncio.create_task(engine.load(ref))
        await asyncio.sleep(0.1)
        await engine.unload(ref)
        await loading
        assert holders(fakes, "a") == []


async def test_draining_outlasts_a_stop(urls: list[str], start: Any):
    async with start() as engine:
        engine.drain(urls[1], is_draining=True)
        await engine.stop()
        await engine.start()
        assert states(engine) == ["ready", "draining", "ready"]


async def test_one_server_that_takes_an_adapter_is_enough_to_load_it(
    fakes: Any, start: Any, make_ref: Any
):
    async with start() as engine:
        for fake in fakes[:2]:
            fake.lies = True
        for number in range(6):
            await engine.load(make_ref(f"a{number}", seed=number))
        assert len(fakes[2].own) == 6
        fakes[2].lies = True
        with pytest.raises(AdapterRefused, match="changes nothing"):
            await engine.load(make_ref("b", seed=30))


async def test_what_killed_processes_have_left_is_removed(
    tmp_path: Path, start: Any, make_ref: Any
):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, own = (tmp_path / "kept" / f".new-{pid}-x" for pid in (gone.pid, os.getppid()))
    for folder in (left, own):
        folder.mkdir(parents=True)
    async with start() as engine:
        ref = make_ref("a", rank_pattern={"q_proj": 2})
        await collect(engine, request(ref))
        made = [*(tmp_path / "kept").glob(f".new-{os.getpid()}-*/*/adapter_model.safetensors")]
        assert len(made) == 4  # zeros of three servers, and the adapter
        assert {path.stat().st_mode & 0o777 for path in made} == {0o644}
        assert (left.exists(), own.exists()) == (False, True)


def test_the_base_is_never_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proof_module, "MOST_REMEMBERED", 3)
    references, proof = References(), Proof({1: -0.5})
    references.keep(push_name(()), proof)
    for number in range(5):
        references.keep(f"a@{number}", proof)
    assert references.of(push_name(())) == proof
    assert [references.of(f"a@{number}") is None for number in range(5)] == [True] * 2 + [False] * 3


@pytest.mark.parametrize("slow_loads", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3)])
async def test_of_servers_with_different_bases_the_first_that_was_asked_is_right(
    slow_loads: tuple[float, float], tmp_path: Path
):
    """Also where both are asked for the first time at once."""
    fakes = [FakeVllm(slow_load=slow_loads[0]), FakeVllm(base_token=950, slow_load=slow_loads[1])]
    with serving(fakes[0]) as one, serving(fakes[1]) as other:
        async with running(one, other, kept=tmp_path / "kept") as engine:
            assert sorted(states(engine)) == ["away", "ready"]
            away = next(each for each in engine.stats().servers if each.state == "away")
            assert "otherwise than the first one did" in str(away.reason)


async def test_a_server_whose_base_is_another_by_now_is_away_until_it_is_back(
    fakes: Any, start: Any, make_ref: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch_module, "PROOF_LOOKS", 1)
    ref = make_ref("a")
    async with start() as engine:
        await collect(engine, request(ref))
        (home,) = holders(fakes, "a")
        home.base_token = 950
        await until(lambda: states(engine).count("away") == 1)
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3
        home.base_token = BASE_TOKEN
        await until(lambda: states(engine) == ["ready"] * 3)
        assert await tokens(engine, request(ref)) == [token_of(ref.folder)] * 3


async def test_what_waits_for_a_token_is_told_that_the_engine_stops(
    fakes: Any, start: Any, make_ref: Any
):
    async with start() as engine:
        begun = engine.submit(request(make_ref("a"), sampling=LONG))
        await anext(begun)
        for fake in fakes:
            fake.delay = 60.0
        rest = asyncio.create_task(_rest(begun))
        await asyncio.sleep(0.1)
        await engine.stop()
        with pytest.raises(EngineFailed):
            await asyncio.wait_for(rest, 5)


async def test_servers_that_fail_while_they_load_are_not_taken_for_a_bad_adapter(
    tmp_path: Path, make_ref: Any
):
    fake = FakeVllm()
    with serving(fake) as url:
        async with running(url, kept=tmp_path / "kept") as engine:
            fake.breaks = True
            with pytest.raises((EngineFailed, EngineAway)):
                await engine.load(make_ref("a"))


async def test_a_home_that_has_come_back_lets_others_answer_until_it_has_the_adapter(
    urls: list[str], fakes: Any, start: Any, make_ref: Any
):
    ref = make_ref("a")
    async with start() as engine:
        await collect(engine, request(ref))
        (home,) = holders(fakes, "a")
        url = urls[fakes.index(home)]
        engine.drain(url, is_draining=True)
        await collect(engine, request(ref))
        (other,) = (fake for fake in holders(fakes, "a") if fake is not home)
        await engine.unload(ref)
        await collect(engine, request(ref))
        assert holders(fakes, "a") == [other]
        home.slow_load = 1.0
        engine.drain(url, is_draining=False)
        assert await place_of(engine, request(ref)) == urls[fakes.index(other)]
        await until(lambda: home in holders(fakes, "a"))


async def test_a_part_of_scale_zero_is_no_part(fakes: Any, start: Any, make_ref: Any):
    a, b = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        for _ in range(3):
            assert (
                await tokens(engine, request(blend=((a, 1.0), (b, 0.0))))
                == [token_of(a.folder)] * 3
            )
        assert sum(fake.num_loads for fake in fakes) == 1


async def test_servers_that_are_all_drained_are_no_running_engine(urls: list[str], start: Any):
    async with start() as engine:
        for url in urls:
            assert engine.stats().is_running
            engine.drain(url, is_draining=True)
        assert not engine.stats().is_running


async def test_an_adapter_is_taken_away_while_another_is_loaded(
    fakes: Any, start: Any, make_ref: Any
):
    a, b = make_ref("a"), make_ref("b", seed=2)
    async with start() as engine:
        await collect(engine, request(a))
        for fake in fakes:
            fake.slow_load = 3.0
        loading = asyncio.create_task(engine.load(b))
        await asyncio.sleep(0.1)
        await asyncio.wait_for(engine.unload(a), 1.5)
        assert holders(fakes, "a") == []
        await loading
        assert len(holders(fakes, "b")) == 1
