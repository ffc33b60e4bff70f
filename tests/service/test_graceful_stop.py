"""A server process that is told to stop while it answers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
BODY = {"model": "base", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
LONG = 60  # [seconds]; longer than any test


class SlowServer:
    """100 tokens an answer, each after `delay` seconds."""

    def __init__(self, home: Path, delay: float, grace: float) -> None:
        command = [sys.executable, "-m", "tests.service.slow_server"]
        self.process = subprocess.Popen(
            [*command, str(home), str(delay), str(grace)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.log = self.process.stderr
        ready = json.loads(self.log.readline())["message"]
        self.url = ready.split()[1]

    @contextmanager
    def streaming(self) -> Generator[Iterator[str]]:
        """The events of an answer that has begun."""
        with httpx.stream("POST", f"{self.url}/chat/completions", json=BODY, timeout=LONG) as got:
            lines = (line for line in got.iter_lines() if line.startswith("data: "))
            next(lines)
            yield lines

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url.removesuffix("/v1") + path, timeout=LONG)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """The exit code, and what it has said."""
        said = self.log.read()
        return self.process.wait(LONG), said


@pytest.fixture
def start(tmp_path: Path) -> Generator[Callable[..., SlowServer]]:
    with ExitStack() as stack:

        def start_server(*, delay: float, grace: float) -> SlowServer:
            server = SlowServer(tmp_path, delay, grace)
            stack.callback(server.process.wait)
            stack.callback(server.process.kill)
            assert server.process.stderr is not None
            stack.callback(server.process.stderr.close)
            return server

        yield start_server


def chat(server: SlowServer) -> httpx.Response:
    return httpx.post(f"{server.url}/chat/completions", json=BODY, timeout=LONG)


def error_in(event: str) -> dict[str, Any]:
    return json.loads(event.removeprefix("data: "))["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_streams_end_in_peace_while_new_requests_are_refused(
    start: Callable[..., SlowServer], wait_until: Callable[..., None], number: int
):
    server = start(delay=0.02, grace=LONG)
    assert server.get("/ready").status_code == 200
    with server.streaming() as events:
        server.signal(number)
        wait_until(lambda: server.get("/ready").status_code == 503)
        assert server.get("/health").status_code == 200
        refused = chat(server)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "server_unavailable"
        assert refused.headers["retry-after"]
        assert refused.headers["connection"] == "close"
        *_, last = events
    assert last == "data: [DONE]"
    code, said = server.end()
    assert code == 0, said
    assert "Traceback" not in said


def test_streams_that_take_longer_than_the_grace_end_with_an_error(
    start: Callable[..., SlowServer],
):
    server = start(delay=1, grace=0.1)
    with server.streaming() as events:
        server.signal(signal.SIGTERM)
        *_, last = events
    error = error_in(last)
    assert error["code"] == "server_unavailable"
    assert "had to stop" in error["message"]
    code, said = server.end()
    assert code == 0, said
    assert "Traceback" not in said


def test_a_second_ctrl_c_does_not_wait(start: Callable[..., SlowServer]):
    server = start(delay=1, grace=LONG)
    with server.streaming() as events:
        begin = time.monotonic()
        server.signal(signal.SIGINT)
        assert "Stopping: 1 requests have 60 seconds" in server.log.readline()
        server.signal(signal.SIGINT)
        *_, last = events
    assert error_in(last)["code"] == "server_unavailable"
    code, said = server.end()
    assert (code, time.monotonic() - begin < 10) == (0, True), said
    assert "Traceback" not in said


def test_an_idle_server_stops_at_once(start: Callable[..., SlowServer]):
    server = start(delay=1, grace=LONG)
    begin = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.end() == (0, "")
    assert time.monotonic() - begin < 10


def test_an_idle_connection_does_not_keep_it(start: Callable[..., SlowServer]):
    server = start(delay=0, grace=LONG)
    with httpx.Client() as client:
        assert client.get(f"{server.url}/models").status_code == 200
        server.signal(signal.SIGTERM)
        code, said = server.end()
    assert code == 0, said
    assert json.loads(said.splitlines()[0])["path"] == "/v1/models"
