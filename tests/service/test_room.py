"""A disk that is too small is found before the work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.errors import NoRoom
from service.cli import app
from serving.llamacpp.binding import is_installed
from tests.gguf_files import write_gguf

DIALOGUE = "\n".join(f"Q: question {i}?\nA: answer {i}.\n" for i in range(12))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """What a command says on a disk with a thousand bytes left."""

    def run(*words: object) -> str:
        monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage(free=1000))
        home = ["--home", str(tmp_path / "home")]
        result = CliRunner().invoke(app, [*map(str, words), *home])
        assert isinstance(result.exception, NoRoom), result.output
        return str(result.exception)

    return run


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_a_training_begins_only_where_its_checkpoints_fit(
    refused: Callable[..., str], make_base: Any, tmp_path: Path
):
    (tmp_path / "data.txt").write_text(DIALOGUE)
    told = refused("finetune", tmp_path / "data.txt", "--base", make_base("llama"))
    assert told.startswith("Training takes up to ")
    assert str(tmp_path / "home" / "runs") in told
    assert not list((tmp_path / "home" / "runs").iterdir())


@pytest.mark.parametrize("to", ["merged", "merged-gguf", "ollama"])
def test_an_export_begins_only_where_it_fits(
    to: str, refused: Callable[..., str], make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    make_adapter(base, tmp_path / "home" / "adapters" / "style" / "1")
    (tmp_path / "data.txt").write_text(DIALOGUE)
    given = base if to == "merged" else write_gguf(base, tmp_path / "base.gguf")
    measured = ["--data", tmp_path / "data.txt"] if to == "merged" else []
    out = tmp_path / "out"
    words = ("adapters", "export", "style", "--to", to, "--out", out, "--base", given, *measured)
    assert f"and the disk of {out} has 0 MB left" in refused(*words)
    assert not out.exists()


@pytest.mark.skipif(not is_installed(), reason="llama-cpp-python is not installed")
def test_a_quantization_begins_only_where_it_fits(
    refused: Callable[..., str], make_base: Any, tmp_path: Path
):
    path = write_gguf(make_base("llama"), tmp_path / "base.gguf")
    assert refused("bases", "quantize", path, "--to", "q8_0").startswith("Quantizing takes up to ")
