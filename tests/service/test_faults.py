"""What may happen to a server in its life: it is killed, its files change, clients vanish."""

import hashlib
import io
import json
import os
import shutil
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from service.accounts.keys import Keys, KeyWish
from service.accounts.usage import read_usage
from service.state.database import STATE_FILE, open_state
from serving.scripted import ScriptedEngine
from tests.service.test_serve_process import Served

QUESTION = [{"role": "user", "content": "我最近失眠"}]
LONG = {"max_tokens": 450, "ignore_eos": True}  # the tiny base computes that for a second or so
WEIGHTS = "adapter_model.safetensors"
NUM_VANISHING = 1000
AT_ONCE = 100  # of them
FIRST_STREAM = 2  # among their requests
SPARE_FILES = 5  # descriptors that a server may have more than before


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory, make_base: Any, make_adapter: Any) -> Path:
    """Adapters that lie beside home until they are copied in."""
    folder = tmp_path_factory.mktemp("spare")
    for seed, name in enumerate(("tcm", "bike", "late"), start=1):
        make_adapter(make_base("llama"), folder / name, seed=seed, std=0.3)
    return folder


@contextmanager
def serving(base: Path, home: Path, key: str | None = None) -> Generator[Served]:
    server = Served(base, home, key)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, make_base: Any, spare: Path
) -> Generator[Served]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(spare / "tcm", home / "adapters" / "tcm")
    with serving(make_base("llama"), home) as server:
        yield server


@pytest.fixture
def victim(served: Served, spare: Path) -> Generator[Path]:
    """The folder of an adapter that something is done to."""
    folder = served.home / "adapters" / "victim"
    shutil.copytree(spare / "bike", folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def long_answer(server: Served, model: str, then: Callable[[], None] = lambda: None) -> str:
    """A streamed answer to its end; `then` is called when it has begun."""
    body = {"model": model, "messages": QUESTION, "temperature": 0, "stream": True} | LONG
    url = f"{server.url}/v1/chat/completions"
    events: list[str] = []
    with httpx.stream("POST", url, json=body, headers=server.headers, timeout=60) as response:
        for line in response.iter_lines():
            if line and not events:
                then()
            events += [line.removeprefix("data: ")] if line.startswith("data: ") else []
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event)["choices"][0] for event in events]
    assert chunks[-1]["finish_reason"] == "length"
    return "".join(chunk["delta"].get("content") or "" for chunk in chunks)


def settled_answer(server: Served, model: str) -> str:
    """The second answer: its prompt is in the prefix cache, as all later ones' are."""
    long_answer(server, model)
    return long_answer(server, model)


def assert_refused(response: httpx.Response, *codes: str) -> None:
    assert 400 <= response.status_code < 500, response.text
    error = response.json()["error"]
    assert error["code"] in codes
    assert error.keys() == {"message", "type", "param", "code"}
    assert "/adapters/" not in error["message"], "where home lies is not the client's business"


def delete(folder: Path, spare: Path) -> None:
    shutil.rmtree(folder)


def truncate(folder: Path, spare: Path) -> None:
    weights = folder / WEIGHTS
    os.truncate(weights, weights.stat().st_size // 2)


def empty(folder: Path, spare: Path) -> None:
    os.truncate(folder / WEIGHTS, 0)


def garble(folder: Path, spare: Path) -> None:
    (folder / "adapter_config.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (delete, "model_not_found"),
        (truncate, "adapter_refused"),
        (empty, "adapter_refused"),
        (garble, "adapter_refused"),
    ],
)
def test_an_adapter_damaged_in_use_ends_its_answer_and_refuses_the_next(
    served: Served,
    victim: Path,
    spare: Path,
    damage: Callable[[Path, Path], None],
    code: str,
):
    expected = settled_answer(served, "victim")

    def break_it() -> None:
        damage(victim, spare)
        assert httpx.get(f"{served.url}/health").json()["running"] == 1, "in use still"
        assert_refused(served.ask("victim"), code)

    assert long_answer(served, "victim", break_it) == expected
    assert_refused(served.ask("victim"), code)
    assert httpx.get(f"{served.url}/v1/models").status_code == 200
    assert served.answer("tcm")
    shutil.rmtree(victim, ignore_errors=True)
    shutil.copytree(spare / "bike", victim)
    assert long_answer(served, "victim") == expected, "made good, it answers as before"


def test_an_adapter_replaced_in_use_ends_its_answer_as_it_began_and_then_is_the_new_one(
    served: Served, victim: Path, spare: Path
):
    coming = victim.with_name("coming")
    shutil.copytree(spare / "late", coming)
    old, new = settled_answer(served, "victim"), settled_answer(served, "coming")
    assert old != new

    def replace_it() -> None:
        shutil.rmtree(victim)
        coming.rename(victim)
        assert httpx.get(f"{served.url}/health").json()["running"] == 1, "in use still"

    assert long_answer(served, "victim", replace_it) == old
    assert long_answer(served, "victim") == new
    shutil.rmtree(victim)
    shutil.copytree(spare / "bike", victim)
    assert long_answer(served, "victim") == old


def test_weights_that_are_written_while_they_are_loaded_hurt_nobody(served: Served, victim: Path):
    """Cut short and whole by turns, other bytes each time so that the server has to read them."""
    whole = (victim / WEIGHTS).read_bytes()
    is_over = threading.Event()

    def write() -> None:
        for number in cycle(range(256)):
            if is_over.is_set():
                return
            with (victim / WEIGHTS).open("r+b") as file:
                file.truncate(len(whole) // 2)
                file.seek(0)
                file.write(whole[:-1] + bytes([number]))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        statuses = [served.ask("victim", max_tokens=1).status_code for _ in range(60)]
    finally:
        is_over.set()
        writer.join()
    assert set(statuses) <= {200, 400}
    assert served.process.poll() is None
    assert served.answer("tcm")


@pytest.mark.slow
def test_a_server_killed_under_load_has_everything_when_it_starts_again(
    make_base: Any, spare: Path, tmp_path: Path
):
    shutil.copytree(spare, tmp_path / "adapters")
    models = ["tiny-llama", "tcm", "bike", "tcm:0.5+bike:0.5"]
    begun = threading.Barrier(len(models) + 1)
    with closing(open_state(tmp_path, None)) as state:
        _, key = Keys(state).create(KeyWish("anna", ("chat",)))
    server = Served(make_base("llama"), tmp_path, key)

    def wait_for_all() -> None:
        begun.wait(60)

    def read(model: str) -> None:
        with suppress(httpx.TransportError):  # the kill
            long_answer(server, model, wait_for_all)

    readers = [threading.Thread(target=read, args=(model,)) for model in models]
    try:
        answers = [server.answer(model) for model in models]
        before = digests(tmp_path / "adapters")
        used = wait_for_usage(tmp_path)
        for reader in readers:
            reader.start()
        begun.wait(60)
        server.process.kill()
    finally:
        code, _ = server.stop()
        for reader in readers:
            reader.join(10)
    assert code == -9
    with serving(make_base("llama"), tmp_path, key) as again:
        assert digests(tmp_path / "adapters") == before
        assert [again.answer(model) for model in models] == answers
        again.headers = {}
        assert again.ask("tcm").status_code == 401
    with closing(sqlite3.connect(tmp_path / STATE_FILE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert num_requests(tmp_path) >= used + len(models)


def wait_for_usage(home: Path) -> int:
    """How many requests the database knows of, once it knows of any."""
    for _ in range(200):
        if found := num_requests(home):
            return found
        time.sleep(0.1)
    raise AssertionError("nothing has been written down")


def num_requests(home: Path) -> int:
    with closing(open_state(home, None)) as state:
        return sum(count.requests for _, count in read_usage(state, None, time.time()))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def requests_of_vanishing_clients(host: str) -> Sequence[bytes]:
    """Half a head, half a body, a stream, a whole answer of several choices."""

    def whole(**fields: Any) -> bytes:
        body = json.dumps({"model": "tcm", "messages": QUESTION} | LONG | fields).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}"
        return f"{head}\r\nContent-Type: application/json\r\n\r\n".encode() + body

    stream = whole(stream=True)
    return (stream[:60], stream[:-9], stream, whole(n=3), whole(stream=True, model="tiny-llama"))


@pytest.mark.slow
def test_a_thousand_clients_that_vanish_leave_nothing_behind(
    served: Served, wait_until: Callable[..., None]
):
    expected = served.answer("tcm")
    process = psutil.Process(served.process.pid)
    num_files = process.num_fds()
    address = urlsplit(served.url)
    requests = cycle(requests_of_vanishing_clients(address.netloc))
    for _ in range(NUM_VANISHING // AT_ONCE):
        with ExitStack() as connections:
            opened: list[socket.socket] = []
            for number in range(AT_ONCE):
                connection = socket.create_connection((address.hostname, address.port or 80))
                opened.append(connections.enter_context(connection))
                connection.sendall(next(requests))
                if number % 2:  # it is not closed in good order, but reset
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            assert opened[FIRST_STREAM].recv(1)  # somebody is answered when all hang up

    def is_quiet() -> bool:
        health = httpx.get(f"{served.url}/health").json()
        return (
            (health["running"], health["waiting"]) == (0, 0)
            and health["free_blocks"] == health["blocks"]
            and process.num_fds() <= num_files + SPARE_FILES
        )

    wait_until(is_quiet, 60)
    assert served.answer("tcm") == expected
    assert not any("Traceback" in line for line in served.log), "\n".join(served.log)


@pytest.mark.parametrize("error", [RuntimeError("a bad step"), MemoryError()], ids=repr)
def test_an_engine_that_raises_fails_that_request_alone(ask: Callable[..., Any], error: Exception):
    engine = ScriptedEngine(failure=error, fail_at=2)
    assert ask(engine, max_tokens=1).status_code == 200
    failed = ask(engine)
    assert failed.status_code == 500
    assert failed.json()["error"].keys() == {"message", "type", "param", "code"}
    assert failed.json()["error"]["type"] == "server_error"
    assert str(error) not in failed.text or not str(error)
    assert ask(engine, max_tokens=1).status_code == 200
    assert engine.stats().num_running == 0


def test_an_engine_that_raises_ends_a_stream_with_an_error_and_no_end(ask: Callable[..., Any]):
    engine = ScriptedEngine(failure=RuntimeError("a bad step"), fail_at=2)
    *events, last = [
        line.removeprefix("data: ")
        for line in ask(engine, stream=True).text.splitlines()
        if line.startswith("data: ")
    ]
    assert json.loads(last)["error"]["type"] == "server_error"
    assert all("choices" in json.loads(event) for event in events)
    assert len(events) == 3, "the role and two tokens"
    assert ask(engine, stream=True, max_tokens=1).text.rstrip().endswith("data: [DONE]")


def test_an_upload_that_fills_the_disk_leaves_nothing_behind(
    small_disk: Path, make_base: Any, spare: Path
):
    shutil.copytree(spare / "tcm", small_disk / "adapters" / "tcm")
    with serving(make_base("llama"), small_disk) as server:
        before = digests(small_disk / "adapters")
        assert upload(server, spare / "bike", num_bytes=16 << 20).status_code == 507
        assert digests(small_disk / "adapters") == before
        assert upload(server, spare / "bike").is_success
        assert server.answer("uploaded") != server.answer("tcm")


def upload(server: Served, adapter: Path, num_bytes: int = 0) -> httpx.Response:
    """With so many bytes more in its weights."""
    files = {path.name: path.read_bytes() for path in adapter.iterdir() if path.is_file()}
    files[WEIGHTS] += bytes(num_bytes)
    parts = [("files", (name, io.BytesIO(content))) for name, content in files.items()]
    return httpx.post(
        f"{server.url}/v1/adapters", data={"name": "uploaded"}, files=parts, timeout=60
    )
