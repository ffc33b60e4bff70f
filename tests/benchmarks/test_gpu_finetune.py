"""The GPU's fine-tuning benchmark, rehearsed on the CPU; its numbers mean nothing there."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.gpu_finetune import app
from benchmarks.provenance import Provenance
from benchmarks.training.cases import Journal, Key
from benchmarks.training.report import Case, Result, bars, render
from benchmarks.training.rows import make_rows
from benchmarks.training.workloads import LONG, PACKED, SHORT, Speed

ROWS = [(SHORT, 1), (SHORT, 4), (PACKED, 1), (PACKED, 4), (LONG, 1)]


def test_the_rehearsal_measures_every_case(tmp_path: Path):
    out = tmp_path / "results" / "gpu"
    options = ["--tiny", "--scratch", str(tmp_path), "--out", str(out)]
    result = CliRunner().invoke(app, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(out.with_name("gpu.json").read_text("utf-8"))
    ours = [(name, None, way) for name in (SHORT, PACKED, LONG) for way in (True, False)]
    theirs = [(name, rows, way) for name, rows in ROWS for way in (True, False)]
    found = [(c["workload"], c["micro_batch"], c["checkpointing"]) for c in told["cases"]]
    assert sorted(found, key=str) == sorted([*ours, *theirs], key=str)
    for case in told["cases"]:
        assert case["speed"]["tokens_per_second"] > case["speed"]["trained_per_second"] > 0
        assert case["share"] > 0
    assert told["matmul_rate"] > 0
    assert told["bars"] == []
    page = out.with_name("gpu.md").read_text("utf-8")
    assert page in result.output
    assert "Training rehearsed on a CPU (no measurement)" in page
    assert "bitsandbytes" in page
    assert "not measured" not in page.split("## All cases")[1]
    result = CliRunner().invoke(app, [*options, "--minutes", "0"], catch_exceptions=False)
    again: dict[str, Any] = json.loads(out.with_name("gpu.json").read_text("utf-8"))
    assert again["cases"] == told["cases"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["random-training", "results"]


def test_what_there_was_no_time_for_is_said(tmp_path: Path):
    out = tmp_path / "gpu"
    options = ["--tiny", "--minutes", "0", "--scratch", str(tmp_path), "--out", str(out)]
    result = CliRunner().invoke(app, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output.count("not measured: no time was left") == 2 * (3 + len(ROWS))
    assert not out.with_name("gpu.jsonl").exists()


def test_a_case_is_expected_to_take_as_long_as_the_longest_one_like_it(tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    key = Key(base="random-7b", workload=SHORT, micro_batch=None, checkpointing=True)
    theirs = key.model_copy(update={"micro_batch": 8})
    speed = Speed(200.0, 100.0, 9 << 30, None)
    journal.keep(key, Case(SHORT, None, True, speed, 0.5), 10.0)
    journal.keep(theirs, Case(SHORT, 8, True, None), 30.0)
    again = Journal(journal.path)
    expected = [again.expected(each) for each in (key, theirs)]
    assert expected == [10.0, 30.0]
    assert again.expected(key.model_copy(update={"checkpointing": False})) == 10.0
    assert again.expected(key.model_copy(update={"base": "another"})) == 0.0
    assert again.case(key) == Case(SHORT, None, True, speed, 0.5)
    assert again.case(theirs) == Case(SHORT, 8, True, None)
    assert again.missing([key, theirs]) == []


def test_it_says_clearly_that_there_is_no_gpu(tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "gpu")])
    assert result.exit_code == 1
    assert "There is no NVIDIA GPU here" in result.output
    assert list(tmp_path.iterdir()) == []


def test_peft_counts_at_its_best_batch_and_memory_must_stay_below_the_bar():
    def speed(trained: float, gib: int = 9) -> Speed:
        return Speed(2 * trained, trained, gib << 30, (gib + 2) << 30)

    cases = [
        *(Case(name, None, True, speed(900), 0.5) for name in (SHORT, PACKED)),
        Case(SHORT, None, False, None),
        *(Case(SHORT, 4, way, speed(400), 0.2) for way in (True, False)),
        *(Case(SHORT, 16, way, None) for way in (True, False)),
    ]
    result = Result(1e14, cases)
    assert [(bar.value, bar.is_passed) for bar in bars(result)] == [
        (2.25, True),
        (None, None),
        (9.0, True),
        (11.0, False),
    ]
    machine = {"cpu": "C", "num_cores": 1, "features": [], "memory_bytes": 1 << 30, "system": "S"}
    gpu = {"gpu": "G", "gpu_memory_bytes": 80 << 30}
    page = render(Provenance(date(2026, 1, 1), "python", {**machine, **gpu}, {}), result)
    assert f"| {SHORT} | PEFT, 16 rows | yes | out of memory |" in page
    assert "| ≥ 2× | 2.25× | pass |" in page


def test_rows_are_of_the_lengths_asked_for_and_the_same_each_time():
    rows = make_rows(50, 100, 300, 32000)
    assert rows == make_rows(50, 100, 300, 32000)
    lengths = [len(row.token_ids) for row in rows]
    assert 100 <= min(lengths) < 150 < 250 < max(lengths) <= 300
    assert all(row.num_trained == pytest.approx(0.6 * len(row.token_ids), abs=1) for row in rows)
