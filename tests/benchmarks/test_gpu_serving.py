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


def test_the_servers_are_rehearsed_and_a_second_command_goes_on(tmp_path: Path):
    """Without a vLLM, which is told; without minutes, nothing is started."""
    out = tmp_path / "results" / "servers"
    common = ["--tiny", "--rounds", "1", "--scratch", str(tmp_path), "--out", str(out)]

    def run(*options: str) -> tuple[dict[tuple[str, str, int], dict[str, Any]], str]:
        result = CliRunner().invoke(app, [*common, *options], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        page = out.with_name("servers.md").read_text("utf-8")
        assert page in result.output
        told: dict[str, Any] = json.loads(out.with_name("servers.json").read_text("utf-8"))
        return {(c["side"], c["mix"], c["streams"]): c for c in told["cells"]}, page

    cells, page = run("--engine", "torch,vllm")
    sides = [f"lora-chat, torch {precision}" for precision in ("bf16", "nf4")]
    asked = [("all", 1), ("all", 2), ("one", 2), ("none", 2)]
    assert list(cells) == [(side, *each) for each in asked for side in sides]
    for cell in cells.values():
        (figures,) = cell["rounds"]
        assert figures["output_tokens_per_second"] > 0
        assert figures["mean_output_tokens"] == 8
        assert figures["first_token_p50_ms"] > 0
        assert cell["missing"] is None
    assert "vLLM was not measured: its command was not named" in page
    assert page.count("| 0 of ") == len(cells)
    again, page = run("--engine", "torch", "--minutes", "0", "--rounds", "2")
    assert again == cells
    assert "vLLM was not measured" not in page


@pytest.mark.parametrize("engine", ["decode,torch", "cuda"])
def test_what_cannot_be_measured_together_is_refused(engine: str):
    result = CliRunner().invoke(app, ["--tiny", "--engine", engine])
    assert result.exit_code == 2
    assert "decode" in result.output


def test_it_says_clearly_that_there_is_no_gpu(tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "gpu")])
    assert result.exit_code == 1
    assert "There is no NVIDIA GPU here" in result.output
    assert list(tmp_path.iterdir()) == []
