"""The table of how often the gate promotes, on a few rounds."""

import json
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.gate import app


def test_the_table_is_written(tmp_path: Path):
    done = CliRunner().invoke(app, ["--rounds", "100", "--out", str(tmp_path / "gate")])
    assert done.exit_code in (0, 1)  # of so few rounds a few too many may be promoted
    assert "| 40 |" in (tmp_path / "gate.md").read_text("utf-8")
    found = json.loads((tmp_path / "gate.json").read_text("utf-8"))
    assert found["bike_workshop"]["shares"]["100"]["0.05"] == 1
