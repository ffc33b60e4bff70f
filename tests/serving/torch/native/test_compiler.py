"""Compiled code appears while eager code answers, is kept, and is never needed."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.engine import Engine, Request
from serving.torch.architecture import Architecture
from serving.torch.forms import choice
from serving.torch.forms.build import Form
from serving.torch.native.compiler import Compiler
from serving.torch.native.kept import library_path, load
from serving.torch.native.library import Library
from tests.serving.engines import (
    GREEDY,
    PROMPTS,
    alone,
    assert_same,
    collect,
    collect_all,
    encode,
    join_compilers,
    make_ref,
    needs_int8,
    place,
    running,
    token_ids,
)

pytestmark = needs_int8
LATE = 60  # [seconds]; later than a test ends
LONG = 450  # [tokens] of an answer that is still going on when compiled code comes


async def until_compiled(engine: Engine) -> None:
    async with asyncio.timeout(60):
        while not engine.stats().is_compiled:
            await asyncio.sleep(0.02)


def requests_of(base: Path) -> list[Request]:
    return [Request(text, encode(base, text), sampling=GREEDY) for text in PROMPTS]


async def test_eager_answers_until_compiled_code_is_there(
    library: Library, make_base: Any, tmp_path: Path
):
    base = make_base()
    async with running(base, precision="int8", compiled=tmp_path / "compiled") as engine:
        assert not engine.stats().is_compiled
        first = token_ids(await collect(engine, requests_of(base)[0]))
        assert len(first) == GREEDY.max_tokens
        await until_compiled(engine)
        again = token_ids(await collect(engine, requests_of(base)[0]))
        assert len(again) == GREEDY.max_tokens
        assert engine.stats().kernel == library.kernel
    assert load(library_path(tmp_path / "compiled")) is not None


@pytest.fixture
def quick_compiler(
    library: Library, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it makes has been compiled before."""
    script = tmp_path_factory.mktemp("compiler") / "c++"
    copied = f'cp "{library.path}" "$output"'
    script.write_text(f'#!/bin/sh\nfor output in "$@"; do :; done\n{copied}\n')
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))


@pytest.fixture
def late_compiler(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What it makes has been compiled before, and is there once a file is."""
    go, script = tmp_path / "go", tmp_path / "late-c++"
    wait = f'while [ ! -e "{go}" ]; do sleep 0.05; done'
    copied = f'cp "{library.path}" "$output"'
    script.write_text(f'#!/bin/sh\nfor output in "$@"; do :; done\n{wait}\n{copied}\n')
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return go


@pytest.mark.parametrize("precision", ["int8", "auto"])
async def test_the_change_is_as_a_restart(
    precision: str,
    late_compiler: Path,
    library: Library,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Requests go on through it with the adapters that they have, removed ones too; what eager
    code computed is not reused: answers are those of a server that has never computed otherwise."""
    times = {"int8": (2.0, 2.0), "fp32": (1.0, 1.0), f"int8, {library.kernel}": (0.5, 0.5)}
    monkeypatch.setattr(choice, "time_products", lambda all_, _: [times[str(own)] for own in all_])
    base = make_base("qwen3")
    refs = [make_ref(make_adapter(base, tmp_path / str(i), seed=i), f"a{i}") for i in range(3)]
    blends = [(), *map(alone, refs), ((refs[0], 0.7), (refs[1], 0.3))]
    sampling = replace(GREEDY, top_logprobs=2)
    prompt = encode(base, PROMPTS[0] * 3)
    requests = [
        Request(f"{n}", prompt, blend=own, sampling=sampling) for n, own in enumerate(blends)
    ]
    long = [replace(own, sampling=replace(sampling, max_tokens=LONG)) for own in requests]
    async with running(base, precision=precision, compiled=tmp_path / "compiled") as engine:
        await collect_all(engine, requests)
        assert engine.stats().precision == ("int8" if precision == "int8" else "fp32")
        async with asyncio.TaskGroup() as group:
            through = [group.create_task(collect(engine, each)) for each in long]
            while engine.stats().num_running < len(long):
                await asyncio.sleep(0)
            away = refs[2].folder.rename(tmp_path / "away") if precision == "auto" else None
            late_compiler.touch()
            await until_compiled(engine)
            assert not any(task.done() for task in through)
        for task in through:
            assert len(token_ids(task.result())) == LONG
        if away is not None:
            away.rename(refs[2].folder)
        found = await collect_all(engine, [replace(own, id="again") for own in requests])
        assert engine.stats().num_resident_adapters == len(refs)
    async with running(base, precision=precision, compiled=tmp_path / "compiled") as engine:
        assert_same(found, await collect_all(engine, requests), tolerance=1e-9)


async def test_int4_waits_for_compiled_code(
    library: Library, quick_compiler: None, make_base: Any, tmp_path: Path
):
    async with running(make_base("llama"), precision="int4", compiled=tmp_path) as engine:
        assert engine.stats().is_compiled


async def test_what_fits_no_other_way_waits_for_compiled_code(
    library: Library,
    quick_compiler: None,
    make_base: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(choice, "MOST_WIDE", 1000)
    async with running(make_base(), precision="auto", compiled=tmp_path) as engine:
        assert engine.stats().is_compiled


async def test_a_second_start_has_it_at_once(library: Library, make_base: Any, tmp_path: Path):
    place(tmp_path, library)
    async with running(make_base(), precision="int8", compiled=tmp_path) as engine:
        assert engine.stats().is_compiled


@pytest.mark.parametrize("length", [0, 100, 50_000, -1])
async def test_damaged_code_is_made_again(
    length: int,
    library: Library,
    quick_compiler: None,
    make_base: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    path = place(tmp_path, library)
    path.write_bytes(path.read_bytes()[:length])
    async with running(make_base(), precision="int8", compiled=tmp_path) as engine:
        await until_compiled(engine)
    assert load(path) is not None
    assert "damaged" in caplog.text


@pytest.mark.parametrize("command", ["false", "/nowhere/g++"])
async def test_without_a_compiler_a_warning_says_what_helps(
    command: str,
    make_base: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setenv("CXX", command)
    base = make_base()
    async with running(base, precision="int8", compiled=tmp_path) as engine:
        await asyncio.to_thread(join_compilers)
        answer = token_ids(await collect(engine, requests_of(base)[0]))
        assert not engine.stats().is_compiled
    assert len(answer) == GREEDY.max_tokens
    assert "apt install g++" in caplog.text
    assert list(tmp_path.iterdir()) == []


async def test_a_stop_ends_the_compilation_quietly(
    make_base: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with running(make_base(), precision="int8", compiled=tmp_path):
        pass
    start = time.monotonic()
    await asyncio.to_thread(join_compilers)
    assert time.monotonic() - start < 2
    assert list(tmp_path.iterdir()) == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_stop_does_not_wait_for_what_the_compiler_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """g++ is a driver: other processes do the work, and hold the pipe that is read."""
    driver, begun = tmp_path / "driver", tmp_path / "begun"
    driver.write_text(
        f"#!/bin/sh\nsleep {LATE} &\necho $! > {begun}.new\nmv {begun}.new {begun}\nwait\n"
    )
    driver.chmod(0o755)
    monkeypatch.setenv("CXX", str(driver))
    compiler = Compiler(tmp_path / "compiled")
    compiler.start(lambda _: None)
    end = time.monotonic() + LATE
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.01)
    worker = psutil.Process(int(begun.read_text()))
    start = time.monotonic()
    compiler.stop()
    with suppress(psutil.NoSuchProcess):
        while worker.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() - start < LATE / 2
            time.sleep(0.01)


async def test_a_stop_waits_for_what_compiled_code_is_built_into(
    late_compiler: Path, make_base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A process that ended meanwhile would be aborted."""
    is_timed = threading.Event()

    def time_slowly(forms: Sequence[Form], _: Architecture) -> list[choice.Times]:
        if forms[0].library is not None:
            is_timed.set()
            time.sleep(0.5)
        return [(1.0, 1.0) for _ in forms]

    monkeypatch.setattr(choice, "time_products", time_slowly)
    async with running(make_base(), precision="auto", compiled=tmp_path / "compiled") as engine:
        late_compiler.touch()
        assert await asyncio.to_thread(is_timed.wait, 30)
        assert engine.stats().is_compiling
    assert "compiler" not in [thread.name for thread in threading.enumerate()]


async def test_code_that_computes_something_else_is_not_used(
    library: Library,
    make_base: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def nothing(self: Library, model: Any, step: Any) -> None:
        pass

    monkeypatch.setattr(Library, "forward", nothing)
    place(tmp_path, library)
    async with running(make_base(), precision="int8", compiled=tmp_path) as engine:
        assert not engine.stats().is_compiled
    assert "not used" in caplog.text


async def test_only_int8_is_compiled(make_base: Any, tmp_path: Path):
    async with running(make_base(), precision="fp32", compiled=tmp_path):
        join_compilers()
    assert list(tmp_path.iterdir()) == []


def test_two_compilations_at_once_leave_one_library(quick_compiler: None, tmp_path: Path):
    path = library_path(tmp_path)
    for _ in range(2):
        Compiler(tmp_path).start(lambda _: None)
    join_compilers()
    assert list(tmp_path.iterdir()) == [path]
    assert load(path) is not None


def test_where_nothing_can_be_kept_code_is_compiled_for_this_start(
    quick_compiler: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "home").touch()  # which is no folder
    assert Compiler(tmp_path / "home" / "compiled").run() is not None
    assert "is not kept for the next start" in caplog.text
