"""`lora-chat configs`, as a person types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune.training.config import load_config
from service.cli import app
from service.shipped import shipped_configs

FOLDER = Path(__file__).parents[2] / "configs"


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["configs", *words], env={"COLUMNS": "400"})
    assert result.exit_code == code, result.output
    return result.output


def test_every_configuration_is_listed_with_what_it_is_for():
    names = {path.stem for path in FOLDER.iterdir()}
    assert names == set(shipped_configs())
    said = run()
    assert all(name in said for name in names)
    assert "lora-chat demo" in " ".join(said.split())


def test_one_is_written_as_it_is_and_over_nothing(tmp_path: Path):
    shipped = (FOLDER / "smollm2-cpu.yaml").read_text(encoding="utf-8")
    assert run("smollm2-cpu") == run("smollm2-cpu.yaml") == shipped
    out = tmp_path / "my.yaml"
    assert f"--config {out}" in " ".join(run("smollm2-cpu", "--out", str(out)).split())
    assert load_config(out, {}) == load_config(FOLDER / "smollm2-cpu.yaml", {})
    assert "is there already" in " ".join(run("demo", "--out", str(out), code=2).split())
    assert out.read_text(encoding="utf-8") == shipped


@pytest.mark.parametrize("name", ["smollm", "../pyproject", ""])
def test_another_name_is_told_those_that_there_are(name: str):
    assert "smollm2-cpu" in run(name, code=2)
