"""`lora-chat data label` with a model behind a URL."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.errors import DataError
from data.trial import TEXTS
from service.cli import app
from service.errors import ServerRefused
from serving.engine import Engine
from serving.scripted import ScriptedEngine

TEXT = "补中益气汤用于脾胃气虚，症见少气懒言，体倦肢软，饮食减少，大便稀薄。"
Serve = Callable[[Engine], str]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "方剂.txt"
    path.write_text(f"{TEXT * 10}\n\n{TEXT * 10}\n", encoding="utf-8")
    return path


def label(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["data", "label", *map(str, arguments)])
    if isinstance(result.exception, ServerRefused):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_model_behind_a_url_drafts_and_goes_on_later(
    serve: Serve, document: Path, prompt_of: Any
):
    engine = ScriptedEngine(default="问：什么时候用？\n答：脾胃气虚时用。")
    url, out = serve(engine), document.with_name("qa.csv")
    printed = label(document, "--out", out, "--url", url, "--pairs", "2", "--untried")
    assert "2 of 2 passages, 2 questions" in printed
    assert "2 questions from 2 passages (0 were there before, 0 gave nothing)" in printed
    assert "写出2个问题" in prompt_of(engine.requests[0])
    with out.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"].split("#")[0], row["answer"]) for row in rows] == [
        (f"{document}:1", "脾胃气虚时用。"),
        (f"{document}:3", "脾胃气虚时用。"),
    ]
    assert "(2 were there before" in label(
        document, "--out", out, "--url", f"{url}/v1", "--untried"
    )
    assert len(engine.requests) == 2


@pytest.fixture
def roomy_base(tmp_path: Path, make_base: Callable[..., Path]) -> Path:
    """A tiny one whose context holds a passage and its drafts."""
    folder = shutil.copytree(make_base("llama"), tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    return folder


def test_the_local_base_drafts_and_goes_on_later(document: Path, roomy_base: Path, tmp_path: Path):
    out = document.with_name("qa.csv")
    options = ("--out", out, "--base", roomy_base, "--home", tmp_path / "home", "--untried")
    assert "from 2 passages (0 were there before" in label(document, *options)
    drafts = out.read_bytes()
    with out.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        sources = [row["source"].split("#")[0] for row in table]
        assert table.fieldnames == ["source", "question", "answer", "keep"]
    assert list(dict.fromkeys(sources)) == [f"{document}:1", f"{document}:3"]
    document.write_text(f"{document.read_text(encoding='utf-8')}\n{TEXT * 9}\n", encoding="utf-8")
    assert "from 1 passages (2 were there before" in label(document, *options)
    assert out.read_bytes().startswith(drafts)


ANSWERS = "\n\n".join(
    f"问：{text.split('，')[0][:6]}，怎么样？\n答：{text.split('。')[0]}。"
    for text in TEXTS["Chinese"]
)


def test_a_model_is_tried_before_anything_is_written(serve: Serve, document: Path):
    out = document.with_name("qa.csv")
    failing = serve(ScriptedEngine(default="胃胃胃胃胃"))
    result = CliRunner().invoke(
        app, ["data", "label", str(document), "--out", str(out), "--url", failing]
    )
    assert isinstance(result.exception, DataError)
    for part in ("of 5 known texts", "胃胃胃胃胃", "--base", "--untried"):
        assert part in str(result.exception)
    assert not out.exists()
    engine = ScriptedEngine(default=ANSWERS)
    assert "questions from 2 passages" in label(document, "--out", out, "--url", serve(engine))
    assert len(engine.requests) == len(TEXTS["Chinese"]) + 2
    assert "(2 were there before" in label(document, "--out", out, "--url", serve(engine))
    assert len(engine.requests) == len(TEXTS["Chinese"]) + 2  # nothing to draft: not tried either


def test_a_server_that_refuses_is_an_error_and_loses_nothing(serve: Serve, document: Path):
    url, out = serve(ScriptedEngine()), document.with_name("qa.csv")
    with pytest.raises(ServerRefused, match="404"):
        label(document, "--out", out, "--url", url, "--model", "nobody")
    with pytest.raises(ServerRefused, match="does not answer"):
        label(document, "--out", out, "--url", "http://127.0.0.1:9")
