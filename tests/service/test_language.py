"""Which language a command speaks: --lang, else the terminal's, else the data's."""

import re
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.errors import BaseNotFound, ConfigError
from service.cli import app

DATA = "患者：我最近失眠多梦，怎么办？\n医生：这多属心脾两虚，宜早睡，忌浓茶。\n"
DIALOGUE = "\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。\n" for i in range(12))
COMMAND = re.compile(r"lora-chat( [!-~]+){1,3}")
ENGLISH = re.compile(r"(?<![-\w'])[A-Za-z']+[,:]? [A-Za-z']+[,:]? [A-Za-z']+")


def run(*command: str, **variables: str) -> Any:
    """In a context of its own."""
    silent = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": ""}
    return Context().run(lambda: CliRunner(env=silent | variables).invoke(app, command))


def english_in(text: str) -> list[str]:
    """Three words in a row, of no command."""
    return ENGLISH.findall(COMMAND.sub("", text))


def check(path: Path, *options: str, before: tuple[str, ...] = (), **variables: str) -> Any:
    return run(*before, "data", "check", str(path), *options, **variables)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text(DATA, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("options", "before", "variables"),
    [
        (("--lang", "zh"), (), {"LANG": "en_US.UTF-8"}),
        ((), ("--lang", "zh"), {"LANG": "en_US.UTF-8"}),
        ((), (), {"LANG": "zh_CN.UTF-8"}),
    ],
)
def test_chinese_is_spoken_where_it_is_asked_for(
    data: Path, options: tuple[str, ...], before: tuple[str, ...], variables: dict[str, str]
):
    result = check(data, *options, before=before, **variables)
    assert result.exit_code == 0, result.output
    assert "可以用于训练" in result.output


def test_english_is_spoken_where_it_is_asked_for(data: Path):
    for result in (
        check(data, LANG="en_US.UTF-8"),
        check(data, "--lang", "en", LANG="zh_CN.UTF-8"),
    ):
        assert "can be trained on" in result.output


def test_other_languages_are_not_spoken(data: Path):
    assert check(data, "--lang", "fr").exit_code == 2


def test_training_says_nothing_in_english_where_chinese_is_asked_for(
    tmp_path: Path, make_base: Callable[..., Path]
):
    (tmp_path / "tcm.txt").write_text(DIALOGUE, encoding="utf-8")
    given = [str(tmp_path / "tcm.txt"), "--base", str(make_base("llama")), "--home", str(tmp_path)]
    short = ["--set", "epochs=1", "--report", "short"]
    for options, said in (
        (["--dry-run"], "并没有训练。去掉 --dry-run 就开始训练。"),
        (short, "适配器 tcm@1："),
    ):
        result = run("--lang", "zh", "finetune", *given, *options)
        assert result.exit_code == 0, result.output
        assert said in result.output
        assert english_in(result.output) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("adapters list", "还没有适配器"),
        ("keys list", "还没有密钥"),
        ("data convert {data} --out {home}/rows.jsonl", "rows.jsonl: 1 段对话"),
        ("bases recommend {data}", "接下来："),
    ],
)
def test_what_commands_say_is_chinese(data: Path, tmp_path: Path, command: str, said: str):
    words = command.format(data=data, home=tmp_path).split()
    result = run(*words, LANG="zh_CN.UTF-8", LORA_CHAT_HOME=str(tmp_path))
    assert result.exit_code == 0, result.output
    assert said in result.output
    assert english_in(result.output) == []


def test_values_that_cannot_be_are_refused_in_chinese(data: Path):
    options = ("--set", "rank=many", "--set", "holdout=1", "--quantize", "nf3", "--set", "rnak=8")
    result = run("finetune", str(data), *options, LANG="zh_CN.UTF-8")
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).splitlines() == [
        "选项有误：",
        "  rnak: 没有这个选项；是不是 'rank'？",
        "  rank: 应为整数（给的是 'many'）",
        "  quantize: 应为 'nf4', 'int8' 或 'none'（给的是 'nf3'）",
        "  holdout: 不能大于 0.5（给的是 1）",
    ]


def test_what_keeps_a_server_from_starting_is_said_in_the_terminals_language(tmp_path: Path):
    given = ("serve", "--home", str(tmp_path), "--port", "0")
    base = run(*given, "--base", "no-such-base", LANG="zh_CN.UTF-8")
    assert isinstance(base.exception, BaseNotFound)
    assert str(base.exception).startswith("没有底座模型 'no-such-base'")
    open_to_all = run(*given, "--host", "0.0.0.0", LANG="zh_CN.UTF-8")
    assert open_to_all.exit_code == 2
    assert "它不要密钥" in open_to_all.output
