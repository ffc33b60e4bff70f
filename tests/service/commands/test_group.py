"""Ctrl-C, at any time: a sentence, exit code 130, and neither an error nor a traceback."""

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.cli import app

ROOT = Path(__file__).parents[3]
DIALOGUE = "\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。\n" for i in range(12))
LONG = 60  # [seconds]


class Interrupting(io.BytesIO):
    """Standard input at which somebody presses Ctrl-C."""

    def read(self, size: int | None = -1) -> bytes:
        raise KeyboardInterrupt


@pytest.fixture
def interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run a command that reads from standard input; returns what it says on stderr."""
    monkeypatch.setenv("LORA_CHAT_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Interrupting()))

    def call(*arguments: object) -> str:
        with pytest.raises(SystemExit) as ended:
            app([*map(str, arguments)], prog_name="lora-chat")
        said = capsys.readouterr().err
        assert ended.value.code == 130, said
        assert "Error" not in said
        return said

    return call


@contextmanager
def started(home: Path, *arguments: object) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    environment = os.environ | {"LORA_CHAT_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: "subprocess.Popen[str]") -> str:
    """What it says when it is interrupted now."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG)
    assert process.returncode == 130, said
    assert "Error" not in said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("data check -", "Stopped. Nothing was changed."),
        ("--lang zh data check -", "已停止，没有任何改动。"),
        ("data convert - --out never.jsonl", "Stopped. Nothing was changed."),
        ("finetune - --name x", "Stopped before anything was trained."),
    ],
)
def test_a_command_that_was_reading_says_what_is_kept(
    interrupted: Callable[..., str], tmp_path: Path, arguments: str, said: str
):
    assert said in interrupted(*arguments.split())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_evaluation_leaves_nothing(
    interrupted: Callable[..., str], tmp_path: Path, make_base: Any, make_adapter: Any
):
    make_adapter(make_base("llama"), tmp_path / "adapters" / "tcm" / "1")
    said = interrupted("eval", "tcm", "-", "--base", make_base("llama"))
    assert "Stopped before the report was complete." in said
    assert not [path for path in (tmp_path / "evals").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("chat --url", "The chat has ended."),
        ("bench --url", "there are no figures"),
        ("data label {texts} --out {texts}/qa.csv --url", "The drafts so far are kept"),
    ],
)
def test_a_command_that_waits_for_a_server_stops(tmp_path: Path, arguments: str, said: str):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("A text that is long enough to be asked about.\n")
    words = arguments.format(texts=tmp_path / "texts").split()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with started(tmp_path, *words, url) as process:
            silent.settimeout(LONG)
            asked, _ = silent.accept()
            with asked:
                asked.recv(1)
                assert said in told(process)


def test_training_that_is_interrupted_says_how_to_go_on(
    tmp_path: Path, make_base: Callable[..., Path]
):
    data = tmp_path / "data.txt"
    data.write_text(DIALOGUE, encoding="utf-8")
    settings = [word for value in ("epochs=400", "patience=999") for word in ("--set", value)]
    settings += ["--lang", "en"]
    with started(tmp_path, "finetune", data, "--base", make_base("llama"), *settings) as process:
        assert process.stderr is not None
        first = next(line for line in process.stderr if "step " in line and " left: " in line)
        assert first.startswith("  step 1 of ")
        said = told(process)
    assert "Stopping when this step is done" in said
    assert f"everything is saved in {tmp_path / 'runs' / 'data-1'}. Go on with the same" in said
    assert len(list((tmp_path / "runs" / "data-1" / "checkpoints").iterdir())) >= 1
