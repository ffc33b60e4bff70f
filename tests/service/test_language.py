"""Which language a command speaks: --lang, else the terminal's, else the data's."""

from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.wording import language
from finetune.errors import BaseNotFound
from service.cli import app

DATA = "患者：我最近失眠多梦，怎么办？\n医生：这多属心脾两虚，宜早睡，忌浓茶。\n"


def check(path: Path, *options: str, before: tuple[str, ...] = (), **variables: str) -> Any:
    """`lora-chat data check`, in a context of its own."""
    silent = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": ""}
    command = [*before, "data", "check", str(path), *options]
    return Context().run(lambda: CliRunner(env=silent | variables).invoke(app, command))


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


def test_a_server_speaks_english_to_programs_whatever_the_terminal_speaks(tmp_path: Path):
    context = Context()
    command = ["serve", "--home", str(tmp_path), "--base", "no-such-base", "--port", "0"]
    runner = CliRunner(env={"LANG": "zh_CN.UTF-8"})
    result = context.run(lambda: runner.invoke(app, command))
    assert isinstance(result.exception, BaseNotFound)
    assert context.run(language) == "en"
