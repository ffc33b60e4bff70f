"""The GPU's benchmark, rehearsed on the CPU; its numbers mean nothing there."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.gpu_serving import app

CASES = [
    ("nf4", 1, 1),
    ("nf4", 1, 3),
    ("nf4", 2, 3),
    ("bf16", 1, 1),
    ("bf16", 1, 3),
    ("bf16", 2, 3),
]


def test_the_rehearsal_measures_every_case(tmp_path: Path):
    out = tmp_path / "results" / "gpu"
    options = ["--tiny", "--scratch", str(tmp_path), "--out", str(out)]
    result = CliRunner().invoke(app, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(out.with_name("gpu.json").read_text("utf-8"))
    cases = told["cases"]
    assert [(c["precision"], c["num_adapters"], c["num_rows"]) for c in cases] == CASES
    for case in cases:
        assert min(case[name] for name in ("tokens_per_second", "without_adapters", "peft")) > 0
        assert case["bandwidth_share"] > 0
    page = out.with_name("gpu.md").read_text("utf-8")
    assert "| nf4 | 2 | 3 |" in page
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_it_says_clearly_that_there_is_no_gpu(tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "gpu")])
    assert result.exit_code == 1
    assert "There is no NVIDIA GPU here" in result.output
    assert list(tmp_path.iterdir()) == []
