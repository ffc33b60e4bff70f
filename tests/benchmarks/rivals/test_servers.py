"""Rivals are started, waited for and surely stopped; a made-up program stands in for them."""

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.adapters import make_adapters
from benchmarks.process import ProgramFailed
from benchmarks.rivals.peft_generate import PeftJob, PeftRow, run
from benchmarks.rivals.servers import llama_server, quantize

# Answers /health with 503 at first, then with 200, and anything else with its arguments.
SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
left = [2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        left[0] -= self.path == "/health"
        self.send_response(503 if left[0] > 0 else 200)
        self.end_headers()
        self.wfile.write("\\n".join([str(child.pid), *sys.argv[1:]]).encode())
options = dict(zip(sys.argv, sys.argv[1:]))
http.server.HTTPServer((options["--host"], int(options["--port"])), Handler).serve_forever()
"""


def program(folder: Path, name: str, code: str) -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)
    return folder


def has_ended(process_id: int, within: float = 10) -> bool:
    """A process that ended but was not yet collected by its parent is a zombie."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
    return False


def start(folder: Path) -> Any:
    adapters = [Path("a1.gguf"), Path("a2.gguf")]
    return llama_server(folder, Path("base.gguf"), adapters, 8, False, log=folder / "logs" / "log")


def test_a_server_is_ready_when_it_is_yielded_and_gone_afterwards(tmp_path: Path):
    with start(program(tmp_path, "llama-server", SERVER)) as url:
        child, *arguments = httpx.get(f"{url}/anything").text.split("\n")
    assert has_ended(int(child))
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    options = dict(itertools.pairwise(arguments))
    assert options["--lora-scaled"] == "a1.gguf:0,a2.gguf:0"
    assert (options["--parallel"], options["--ctx-size"]) == ("8", "8192")
    assert "--no-cache-prompt" in arguments


def test_a_server_is_stopped_when_the_block_raises(tmp_path: Path):
    def fail() -> None:
        with start(program(tmp_path, "llama-server", SERVER)) as url:
            raise RuntimeError(httpx.get(url).text.split("\n")[0])

    with pytest.raises(RuntimeError, match=r"^\d+$") as caught:
        fail()
    assert has_ended(int(str(caught.value)))


def test_a_server_that_ends_at_once_is_reported_with_the_end_of_its_log(tmp_path: Path):
    folder = program(tmp_path, "llama-server", "raise SystemExit('no such model')")
    with pytest.raises(ProgramFailed, match=r"(?s)code 1.*no such model"), start(folder):
        pass


def test_a_base_is_quantized_once_and_a_failure_leaves_nothing(tmp_path: Path):
    gguf, cache = tmp_path / "base.Q4_1.gguf", tmp_path / "cache"
    writing = "import sys; open(sys.argv[3], 'x').write(sys.argv[4])"
    failing = program(tmp_path, "llama-quantize", f"{writing}; sys.exit('bad magic')")
    with pytest.raises(ProgramFailed, match="bad magic"):
        quantize(failing, gguf, "Q8_0", cache)
    assert list(cache.iterdir()) == []
    made = quantize(program(tmp_path, "llama-quantize", writing), gguf, "Q8_0", cache)
    assert (made.name, made.read_text()) == ("base.Q4_1-Q8_0.gguf", "Q8_0")
    assert quantize(tmp_path / "nowhere", gguf, "Q8_0", cache) == made


def test_rows_of_a_mixed_batch_answer_as_each_alone(tmp_path: Path, make_base: Any):
    base = make_base("llama")
    adapters = make_adapters(tmp_path, base, count=2, rank=4)
    rows = tuple(
        PeftRow(adapter=adapter, prompt_ids=prompt)
        for adapter, prompt in ((None, (5, 6, 7, 8)), ("a1", (9, 10)), ("a2", (9, 10)))
    )

    def answers(*asked: PeftRow) -> tuple[tuple[int, ...], ...]:
        threads = int(os.environ["OMP_NUM_THREADS"])
        job = PeftJob(base=base, adapters=adapters, rows=asked, num_tokens=6, threads=threads)
        return run(job).answers

    together = answers(*rows)
    assert together == tuple(answers(row)[0] for row in rows)
    assert together[1] != together[2]
