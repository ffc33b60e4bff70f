"""The page about corrections, from a tiny base of random weights."""

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from benchmarks.going_on.__main__ import app


def test_the_page_says_what_a_correction_has_cost(make_base: Any, tmp_path: Path):
    command = ["--base", str(make_base("llama")), "--cases", "1", "--out", str(tmp_path / "page")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    (row,) = [line for line in (tmp_path / "page.md").read_text().splitlines() if "| 42 |" in line]
    number, _seed, steps, learned, before, after, change = row.strip("| ").split(" | ")
    assert number == "1"
    assert int(steps) > 0
    assert learned in ("0", "1")
    assert f"{float(after) / float(before) - 1:+.1%}"[:3] == change[:3]
