"""`lora-chat serve` as it runs in production: a process, a port, folders and signals."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from finetune.adapters.card import AdapterCard, BaseIdentity, SamplingDefaults
from finetune.bases.base import find_base

ROOT = Path(__file__).parents[2]
START = 60  # [seconds] a start may take on a busy machine
CHINESE = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}  # of who starts the server
QUESTION = [{"role": "user", "content": "我最近失眠"}]
SEVERAL = "你好\nHi\n你好\n"  # of a thousand answers of random weights, one or two are empty


class Served:
    """A running `lora-chat serve` and what it has said on stderr."""

    def __init__(
        self,
        base: Path,
        home: Path,
        key: str | None = None,
        prefix: tuple[str, ...] = (),
        options: tuple[str, ...] = ("--no-compile",),
        program: tuple[str, ...] = (sys.executable, "-m", "service.cli"),
    ) -> None:
        self.base = base
        self.home = home
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.log: list[str] = []
        self._is_ready = threading.Event()
        self.process = subprocess.Popen(
            [
                *(*prefix, *program, "serve", "--port", "0"),
                *("--base", str(base), "--set", "grace=2", *options),
            ],
            cwd=ROOT,
            env=environment(home) | CHINESE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._is_ready.wait(START), self.log
        assert self.url, self.log

    @property
    def url(self) -> str:
        ready = [line.split()[1] for line in self.log if line.startswith("Ready: ")]
        return ready[0].removesuffix("/v1") if ready else ""

    def ask(self, model: str, **fields: Any) -> httpx.Response:
        body = {"model": model, "messages": QUESTION, "max_tokens": 24, "temperature": 0}
        return httpx.post(
            f"{self.url}/v1/chat/completions",
            json=body | fields,
            headers=self.headers,
            timeout=60,
        )

    def answer(self, model: str) -> str:
        response = self.ask(model, ignore_eos=True)
        assert response.status_code == 200, response.text
        return response.json()["choices"][0]["message"]["content"]

    def stop(self) -> tuple[int, float]:
        """Ask it to stop; returns the exit code and how long that took, in seconds."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        finally:
            self.process.kill()
            self._reader.join()
            for pipe in (self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()
        return code, time.monotonic() - begin

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))
            if line.startswith("Ready: "):
                self._is_ready.set()
        self._is_ready.set()


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"LORA_CHAT_HOME": str(home), "HF_HUB_OFFLINE": "1", "COLUMNS": "80"}


def run(home: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(home),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
    )


def write_card(folder: Path, base: BaseIdentity, **sampling: Any) -> None:
    AdapterCard(
        name=folder.parent.name,
        base=base,
        chat_template_sha256="",
        sampling=SamplingDefaults(**sampling),
        created=datetime(2025, 1, 1, tzinfo=UTC),
    ).write(folder)


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory, make_base: Any, make_adapter: Any) -> Path:
    """Adapters that lie beside home until they are copied in."""
    folder = tmp_path_factory.mktemp("spare")
    for seed, name in enumerate(("tcm", "bike", "late"), start=1):
        make_adapter(make_base("llama"), folder / name, seed=seed, std=0.3)
    return folder


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, make_base: Any, spare: Path
) -> Generator[Served]:
    home = tmp_path_factory.mktemp("home")
    for name in ("tcm", "bike"):
        shutil.copytree(spare / name, home / "adapters" / name)
    server = Served(make_base("llama"), home)
    try:
        yield server
    finally:
        code, seconds = server.stop()
    assert list((home / "servers").iterdir()) == [], "no chat looks for it any longer"
    assert (code, seconds < 10) == (0, True)
    asked = [line for line in server.log if line.startswith(("GET /", "POST /"))]
    found = [line for line in server.log if line.startswith("The adapter ")]
    rest = [line for line in server.log if line not in asked + found]
    ready = f"Ready: {server.url}/v1 (page: {server.url}/; Ctrl-C stops)"
    assert rest[-1].strip() == ready, "an idle server stops without a word"
    assert any("POST /v1/chat/completions 200 model=tcm adapters=tcm@1 " in line for line in asked)


def test_health_names_the_base(served: Served):
    health = httpx.get(f"{served.url}/health").json()
    assert (health["status"], health["model"], health["running"]) == ("ok", "tiny-llama", 0)


def test_programs_are_spoken_to_in_english_whatever_the_terminal_speaks(served: Served):
    refused = served.ask("nobody")
    assert refused.status_code == 404
    assert "The model 'nobody' does not exist." in refused.json()["error"]["message"]


def test_base_adapters_and_a_blend_all_answer_differently(served: Served):
    cards = httpx.get(f"{served.url}/v1/models").json()["data"]
    assert {"tiny-llama", "bike", "tcm"} <= {card["id"] for card in cards}
    models = ["tiny-llama", "tcm", "bike", "tcm:0.7+bike:0.3"]
    answers = [served.answer(model) for model in models]
    assert all(answers)
    assert len(set(answers)) == len(models)


def test_an_adapter_copied_in_while_it_runs_is_listed_and_answers(served: Served, spare: Path):
    assert served.ask("late").status_code == 404
    coming = served.home / "adapters" / ".late"
    shutil.copytree(spare / "late", coming)
    coming.rename(served.home / "adapters" / "late")
    cards = httpx.get(f"{served.url}/v1/models").json()["data"]
    assert "late" in {card["id"] for card in cards}
    assert served.answer("late") != served.answer("tiny-llama")


def test_an_adapter_of_another_base_is_refused_with_the_reason(
    served: Served, spare: Path, make_base: Any
):
    other = find_base(str(make_base("llama", seed=9)), served.home)
    folder = served.home / "adapters" / "foreign" / "1"
    shutil.copytree(spare / "late", folder)
    write_card(folder, BaseIdentity(id="elsewhere", fingerprint=other.fingerprint))
    try:
        response = served.ask("foreign")
    finally:
        shutil.rmtree(folder.parent)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "adapter_refused")
    assert "was trained on 'elsewhere', not on the one served here" in error["message"]


def test_piped_chat_finds_the_server_and_writes_the_answer_alone_to_stdout(served: Served):
    result = run(served.home, "chat", "tcm", typed=f"{SEVERAL}/models\n")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    for said in (f"Found the server at {served.url};", "Talking to tcm", "tcm> ", "* tcm"):
        assert said in result.stderr
        assert said not in result.stdout


def test_adapters_are_listed_and_shown(served: Served):
    listed = run(served.home, "adapters", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "bike" in listed.stdout
    assert "tcm" in listed.stdout
    shown = run(served.home, "adapters", "show", "tcm@1")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "none: a bare PEFT folder" in shown.stdout


def test_doctor_names_the_base_and_the_adapters(served: Served):
    result = run(served.home, "doctor")
    assert (result.returncode, result.stderr) == (0, "")
    assert "base smollm2-135m" in result.stdout
    assert "bike, " in result.stdout
    assert "c++ compiler" in result.stdout
    assert "lora-chat bases recommend" in " ".join(result.stdout.split())


def test_chat_without_a_server_starts_one_for_itself(make_base: Any, spare: Path, tmp_path: Path):
    folder = tmp_path / "adapters" / "bike" / "1"
    shutil.copytree(spare / "bike", folder)
    base = find_base(str(make_base("llama")), tmp_path)
    write_card(folder, BaseIdentity(id=base.id, fingerprint=base.fingerprint), max_tokens=16)
    result = run(tmp_path, "chat", "--base", str(base.folder), typed=SEVERAL)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip(), result.stderr
    assert "Talking to bike." in result.stderr
    assert "Traceback" not in result.stderr
    assert "Ctrl-C stops)" not in result.stderr
    assert not (tmp_path / "servers").exists(), "it is for this chat alone"


# Root may write everywhere, and without this capability where others may.
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


@pytest.mark.skipif(bool(AS_OTHERS) and not shutil.which("setpriv"), reason="no setpriv here")
def test_a_home_that_may_not_be_written_serves_and_keeps_its_keys(
    make_base: Any, spare: Path, tmp_path: Path
):
    home = tmp_path / "home"
    shutil.copytree(spare / "tcm", home / "adapters" / "tcm")
    key = run(home, "keys", "create", "anna").stdout.strip()
    before = sorted(home.rglob("*"))
    home.chmod(0o555)
    try:
        server = Served(make_base("llama"), home, key, AS_OTHERS)
        try:
            assert server.answer("tcm") != server.answer("tiny-llama")
            server.headers = {}
            assert server.ask("tcm").status_code == 401
        finally:
            code, _ = server.stop()
    finally:
        home.chmod(0o755)
    assert code == 0
    assert sorted(home.rglob("*")) == before
    told = [line for line in server.log if "may not be written" in line]
    assert len(told) == 1, server.log
    assert not any("Traceback" in line for line in server.log), server.log


def test_running_streams_do_not_keep_it_from_stopping(make_base: Any, tmp_path: Path):
    server = Served(make_base("llama"), tmp_path)
    begun = threading.Barrier(4 + 1)

    def read_until_it_is_gone() -> None:
        """One answer after another: the tiny model would have ended a single one too soon."""
        body = {"model": "tiny-llama", "messages": QUESTION, "stream": True}
        body |= {"max_tokens": 450, "ignore_eos": True}
        url = f"{server.url}/v1/chat/completions"
        is_first = True
        with contextlib.suppress(httpx.TransportError):
            while True:
                with httpx.stream("POST", url, json=body, timeout=60) as response:
                    for _ in response.iter_lines():
                        if is_first:
                            begun.wait(START)
                        is_first = False

    readers = [threading.Thread(target=read_until_it_is_gone) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        begun.wait(START)
    finally:
        code, seconds = server.stop()
    for reader in readers:
        reader.join(10)
    assert not any(reader.is_alive() for reader in readers)
    assert (code, seconds < 10) == (0, True)
    assert not any("Traceback" in line for line in server.log), "\n".join(server.log)
