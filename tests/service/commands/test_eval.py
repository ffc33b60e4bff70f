"""`lora-chat eval` as a person types it, on a tiny base."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.adapters.card import AdapterCard, BaseIdentity, DataSummary
from finetune.bases.base import Base
from service.cli import app

DIALOGUE = "".join(f"小王：问题{i}？\n小李：宜多休息{i}天。\n\n" for i in range(4))


@pytest.fixture
def home(tmp_path: Path, make_base: Any, make_adapter: Any) -> Path:
    base: Path = make_base("llama")
    folder = make_adapter(base, tmp_path / "adapters" / "tcm" / "1")
    card = AdapterCard(
        name="tcm",
        base=BaseIdentity(id=base.name, fingerprint=Base(base.name, base).fingerprint),
        chat_template_sha256="",
        data=DataSummary(source="x", sha256="", num_conversations=1, num_trained=1, num_held_out=0),
        config={"base": str(base)},
        created="2026-01-02T00:00:00Z",  # pyright: ignore[reportArgumentType] - pydantic reads it
    )
    card.write(folder)
    (tmp_path / "data.txt").write_text(DIALOGUE, encoding="utf-8")
    return tmp_path


def call(home: Path, *arguments: str) -> Any:
    command = ["eval", "tcm", str(home / "data.txt"), "--home", str(home), "--report-tokens", "4"]
    return CliRunner().invoke(app, [*command, *arguments])


def test_verdict_and_paths_are_printed_and_progress_is_not(home: Path):
    result = call(home, "--roles", "小王=user,小李=assistant", "--report-samples", "1")
    assert result.exit_code == 0, result.output
    folder = home / "evals" / "tcm-1"
    assert result.stdout.splitlines()[-2:] == [
        f"Report: {folder / 'report.html'}",
        f"Numbers: {folder / 'metrics.json'}",
    ]
    assert "4 conversations" in result.stdout
    assert "Loading tiny-llama" in result.stderr
    assert "Loading" not in result.stdout
    assert {path.name for path in folder.iterdir()} == {"report.html", "metrics.json"}


def test_json_is_what_stands_in_the_file(home: Path):
    result = call(home, "--limit", "2", "--out", str(home / "out"), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((home / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert found["held_out"]["num_rows"] == 2
    assert len(found["answers"]["shown"]) == 2
