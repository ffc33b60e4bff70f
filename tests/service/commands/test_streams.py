"""What terminals get that do not have every character."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.commands.streams import json_text, plain

ROOT = Path(__file__).parents[3]
# What people's terminals have: Chinese Windows, old Linux, western Europe, none at all.
ENCODINGS = ["gbk", "cp936", "ascii", "latin-1"]
DIALOGUE = "患者：我最近失眠多梦，怎么办？😴 • … — ü\n医生：宜早睡，可食百合莲子粥。\n\n"
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command whose output has an encoding; returns what came out as bytes."""

    def call(encoding: str, *arguments: object, **variables: str) -> Any:
        environment = os.environ | {
            "PYTHONIOENCODING": encoding,
            "LORA_CHAT_HOME": str(tmp_path / "家"),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "80",
        }
        command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment | variables, capture_output=True, timeout=60
        )
        assert b"Traceback" not in done.stderr
        assert b"UnicodeEncodeError" not in done.stderr
        return done

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "医案.txt"
    path.write_text(DIALOGUE * 2 + "医生：没有问题。\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_commands_write_what_the_encoding_has_and_spell_out_the_rest(
    run: Run, data: Path, encoding: str
):
    shown = run(encoding, "data", "show", data)
    assert shown.returncode == 0
    text = shown.stdout.decode(encoding)
    assert "\\U0001f634" in text
    assert "* " in text
    assert ("失眠" if encoding in ("gbk", "cp936") else r"\u5931\u7720") in text
    refused = run(encoding, "data", "show", data.with_name("医.txt"))
    assert refused.returncode == 1
    assert refused.stderr.decode(encoding).startswith("Error: ")


@pytest.mark.parametrize("encoding", ["gbk", "ascii"])
def test_help_is_whole_and_80_columns_wide(run: Run, encoding: str):
    shown = run(encoding, "finetune", "--help")
    assert shown.returncode == 0
    lines = shown.stdout.decode(encoding).splitlines()
    assert max(map(len, lines)) <= 80
    assert "\\u" not in "".join(lines)


def test_a_locale_without_characters_is_no_error(run: Run, data: Path):
    variables = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    shown = run("", "data", "show", data, **variables)
    assert shown.returncode == 0
    assert r"\u5931\u7720" in shown.stdout.decode("ascii")


def test_json_is_the_same_in_every_encoding(run: Run, data: Path):
    given = ("data", "check", data, "--json", "--lang", "en")
    read = [
        json.loads(run(encoding, *given).stdout.decode(encoding))
        for encoding in ("utf-8", "gbk", "ascii")
    ]
    assert read[0] == read[1] == read[2]
    assert "医案.txt" in json.dumps(read[0], ensure_ascii=False)


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_conversations_on_standard_output_are_in_utf_8_whatever_a_terminal_has(
    run: Run, data: Path, encoding: str
):
    done = run(encoding, "data", "convert", data, "--out", "-", "--faulty", "skip")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == [
        "我最近失眠多梦，怎么办？😴 • … — ü"
    ] * len(rows)
    assert rows
    word = "conversations" if encoding == "ascii" else "段对话"  # in what it can show
    assert f"-: {len(rows)} {word}" in done.stderr.decode(encoding)
    assert not (ROOT / "-").exists()


def test_faulty_conversations_leave_standard_output_empty(run: Run, data: Path):
    done = run("utf-8", "data", "convert", data, "--out", "-")
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_report_can_go_to_standard_output(run: Run, data: Path):
    done = run("utf-8", "data", "check", data, "--report", "-", "--lang", "en")
    assert done.returncode == 1
    assert done.stdout.startswith(b"<!doctype html>")
    assert b"Training would refuse this data" in done.stderr
    both = run("utf-8", "data", "check", data, "--report", "-", "--json")
    assert (both.returncode, both.stdout) == (2, b"")


def test_what_is_typed_at_an_ascii_terminal_is_read_as_utf_8(run: Run, tmp_path: Path):
    opened = "from service.commands.streams import open_streams; open_streams()"
    code = f"{opened}; print(ascii(input()))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    typed = "失眠".encode() + b"\xff\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, input=typed, capture_output=True
    )
    assert done.stdout.decode().strip() == r"'\u5931\u7720\ufffd'"


def test_a_terminal_that_has_no_lines_gets_plain_ones():
    signs = "─━│┃┌╋█⠋•…"
    assert "".join(plain(sign) or "?" for sign in signs) == "--||++#**..."
    assert plain("失") is None


def test_json_escapes_what_standard_output_lacks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert json_text(["ü"]) == '[\n "ü"\n]'
    assert json.loads(json_text(["失", "😴"])) == ["失", "😴"]
    assert json_text(["失"]).isascii()
