"""The table of what preferences add, on a tiny base and one seed; it goes on where it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.preference import app, interval
from benchmarks.preferring.cells import Cell
from benchmarks.preferring.material import Material, Sizes, correct


def test_the_page_is_written_and_no_cell_is_filled_twice(make_base: Any, tmp_path: Path):
    home, out = tmp_path / "home", tmp_path / "page"
    options = [
        "--quick",
        "--by-length",
        "--base",
        str(make_base("llama")),
        "--home",
        str(home),
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(app, options, catch_exceptions=False)
    assert done.exit_code == 0
    cells = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert [each["arm"] for each in cells] == ["examples", "dpo", "dpo by length", "kto"]
    assert "| dpo by length |" in out.with_suffix(".md").read_text("utf-8")
    lines = (home / "cells.jsonl").read_text("utf-8").splitlines(keepends=True)
    (home / "cells.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    assert CliRunner().invoke(app, options, catch_exceptions=False).exit_code == 0
    again = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert again[:-1] == cells[:-1]
    assert again[-1]["right"] == pytest.approx(cells[-1]["right"], rel=1e-4)


def test_what_measures_is_never_trained():
    material = Material.read(Sizes())
    measuring, pool = (
        {each.messages[-1].content for each in part}
        for part in ([*material.measuring, *material.choosing, *material.old], material.pool)
    )
    assert len(material.pool) >= 60
    assert not measuring & pool
    corrected, others = material.corrected(20, seed=1)
    assert len(corrected) == 20
    assert len(others) == len(material.pool) - 20
    answer = correct(corrected[0]).messages[-1].content
    assert answer.startswith("Good question! ")
    assert answer.endswith(" Call us any time on our workshop line.")


def test_an_interval_is_of_the_differences():
    def cell(seed: int, shift: float) -> Cell:
        right = [1.0 + 0.1 * n + shift for n in range(30)]
        return Cell("dpo", 20, seed, right, right, 1, 1, 1, 1, 1, None, 1)

    one, other = ([cell(seed, shift) for seed in (1, 2, 3)] for shift in (0.1, 0.0))
    assert interval(one, other, lambda each: each.right) == pytest.approx((0.1, 0.1, 0.1))
