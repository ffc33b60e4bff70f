"""Server and worker killed at random moments: every job ends as if nothing had happened."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from safetensors.numpy import load_file

from service.jobs.desk import Desk
from tests.service.jobs.conftest import DATA

ROOT = Path(__file__).parents[3]
READY = "Ready: "
KILLS = 4
ENDED = ("succeeded", "failed", "cancelled")


class Server:
    """`lora-chat serve` on one home, killed and started again."""

    def __init__(self, home: Path, base: Path) -> None:
        self.home = home
        self.base = base
        self.log = home.parent / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        command = [sys.executable, "-m", "service.cli", "serve", "--base", str(self.base)]
        command += ["--home", str(self.home), "--port", "0", "--no-compile", "--context", "512"]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        before = self.log.read_text().count(READY) if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stderr=log, stdout=log, env=one_thread
            )
        end = time.monotonic() + 120
        while self.log.read_text().count(READY) == before:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)
        line = self.log.read_text().rpartition(READY)[2]
        self.url = line.partition(" ")[0]

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key="none", max_retries=0, timeout=60)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def kill_worker(self) -> None:
        desk = Desk(self.home)
        for lock in desk.folder.glob("ftjob-*.lock"):
            desk.kill(lock.stem)

    def workers(self) -> list[psutil.Process]:
        """Processes of jobs on this home that are still there."""
        found: list[psutil.Process] = []
        for each in psutil.process_iter(["cmdline"]):
            words = each.info["cmdline"] or []
            if "service.jobs.work.worker" in words and str(self.home) in words:
                found.append(each)
        return found


@pytest.fixture
def server(make_base: Any, tmp_path: Path) -> Generator[Server]:
    made = Server(tmp_path / "home", make_base("llama"))
    made.start()
    yield made
    made.kill()
    made.kill_worker()


def order(client: openai.OpenAI, file_id: str, name: str) -> str:
    job = client.fine_tuning.jobs.create(
        model="tiny-llama",
        training_file=file_id,
        suffix=name,
        seed=7,
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": 4}},
        },
    )
    return job.id


def wait(server: Server, job_id: str, seconds: float = 200) -> Any:
    end = time.monotonic() + seconds
    while True:
        job = server.client.fine_tuning.jobs.retrieve(job_id)
        if job.status in ENDED:
            return job
        assert time.monotonic() < end, (job, server.log.read_text()[-3000:])
        time.sleep(0.2)


def weights(home: Path, version: str) -> dict[str, bytes]:
    folder = home / "adapters" / version.replace("@", "/")
    found = load_file(folder / "adapter_model.safetensors")
    return {name: tensor.tobytes() for name, tensor in found.items()}


def losses(server: Server, job_id: str) -> list[float]:
    events = server.client.fine_tuning.jobs.list_events(job_id, limit=100)
    data: list[Any] = [event.data for event in events if event.type == "metrics"]
    return [each["train_loss"] for each in sorted(data, key=lambda each: each["step"])]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1])
def test_jobs_end_as_if_nothing_had_been_killed(server: Server, seed: int):
    chance = random.Random(seed)
    client = server.client
    file = client.files.create(file=("questions.txt", DATA.encode()), purpose="fine-tune")
    assert file.status == "processed"
    undisturbed = wait(server, order(client, file.id, "calm"))
    assert undisturbed.status == "succeeded"
    whole = time.time() - undisturbed.created_at
    disturbed = order(client, file.id, "wild")
    for _ in range(KILLS):
        time.sleep(chance.random() * whole / 2)
        victims = chance.choice(["server", "worker", "both"])
        if victims != "worker":
            server.kill()
        if victims != "server":
            server.kill_worker()
        if victims != "worker":
            server.start()
    ended = wait(server, disturbed)
    assert (ended.status, ended.fine_tuned_model) == ("succeeded", "wild@1")
    assert weights(server.home, "wild@1") == weights(server.home, "calm@1")
    assert losses(server, disturbed) == losses(server, undisturbed.id)
    for job_id in (disturbed, undisturbed.id):
        lines = (server.home / "runs" / job_id / "metrics.jsonl").read_text().splitlines()
        assert losses(server, job_id) == [json.loads(line)["loss"] for line in lines]
    assert ended.trained_tokens == undisturbed.trained_tokens
    gone = time.monotonic() + 30
    while server.workers():  # the last one is on its way out
        assert time.monotonic() < gone
        time.sleep(0.1)
    time.sleep(1)  # for the server's next look
    assert {path.name for path in Desk(server.home).folder.iterdir()} == {"place", "taking.lock"}
    assert {path.name for path in (server.home / "runs").iterdir()} == {disturbed, undisturbed.id}
    assert {path.name for path in (server.home / "adapters").iterdir()} == {"calm", "wild"}
    assert len(list(server.client.files.list())) == 3
