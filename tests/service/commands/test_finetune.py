"""`lora-chat finetune`, as a person calls it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.adapters.versions import list_names
from service.cli import app

DIALOGUE = "\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。\n" for i in range(6))


def test_a_dialogue_in_gb18030_is_trained_on_with_nothing_said_of_it(
    tmp_path: Path, make_base: Callable[..., Path]
):
    data, home = tmp_path / "医案.txt", tmp_path / "home"
    data.write_bytes(DIALOGUE.encode("gb18030"))
    given = ["finetune", str(data), "--base", str(make_base("llama")), "--home", str(home)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert list_names(home / "adapters") == ["医案"]
    assert "Adapter 医案@1" in result.output
    report = (home / "adapters" / "医案" / "1" / "report.html").read_text(encoding="utf-8")
    assert "怎么办？" in report


@pytest.fixture
def finetune(tmp_path: Path, make_base: Callable[..., Path]) -> Callable[..., Any]:
    (tmp_path / "tcm.txt").write_text(DIALOGUE * 2 + "\n患者：还有呢？\n医生：多喝水。\n")
    (tmp_path / "old.txt").write_text("\n".join(f"Q: {i}?\nA: old {i}\n" for i in range(9)))

    def run(*options: object) -> Any:
        home = ["--home", str(tmp_path / "home"), "--base", str(make_base("llama"))]
        given = ["finetune", str(tmp_path / "tcm.txt"), *home, *map(str, options)]
        return CliRunner().invoke(app, given)

    return run


def test_a_dry_run_says_where_each_value_comes_from_and_leaves_nothing(
    finetune: Callable[..., Any], tmp_path: Path
):
    (tmp_path / "some.yaml").write_text("lora_dropout: 0.2\n")
    result = finetune(
        "--dry-run", "--rank", 4, "--config", tmp_path / "some.yaml", "--set", "seed=7"
    )
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    said = {line[0]: line[1:] for line in lines if line}
    assert said["rank"] == ["4", "option"]
    assert said["dropout"] == ["0.2", "some.yaml"]
    assert said["seed"] == ["7", "--set"]
    assert said["epochs"] == ["10", "size", "rule:", "8", "conversations"]
    assert said["weight_decay"][-1] == "default"
    assert said["alpha"][0] == "8.0"
    assert {"tokens", "steps", "speed", "time", "memory"} <= said.keys()
    assert not (tmp_path / "home" / "runs").exists()
    assert not (tmp_path / "home" / "adapters").exists()


def test_a_sweep_keeps_the_best_and_reports_all(finetune: Callable[..., Any], tmp_path: Path):
    result = finetune("--sweep", "learning_rate=1e-6,1e-2", "--set", "epochs=2")
    assert result.exit_code == 0, result.output
    assert "The best is kept: learning_rate=1e-2" in " ".join(result.stdout.split())
    folder = tmp_path / "home" / "runs" / "tcm-sweep-1"
    results = json.loads((folder / "sweep.json").read_text())
    assert [point["values"]["learning_rate"] for point in results] == ["1e-2", "1e-6"]
    assert results[0]["held_out_loss"] < results[1]["held_out_loss"]
    card = json.loads((tmp_path / "home" / "adapters" / "tcm" / "1" / "lora-chat.json").read_text())
    assert card["config"]["learning_rate"] == 0.01
    assert list_names(tmp_path / "home" / "adapters") == ["tcm"]


def test_older_data_is_replayed_and_options_reach_the_run(
    finetune: Callable[..., Any], tmp_path: Path
):
    given = ["--replay", f"{tmp_path / 'old.txt'}:0.5", "--quantize", "int8", "--use-rslora"]
    more = ["--target-modules", "q_proj,v_proj", "--prompt-loss-weight", 0.1, "--set", "epochs=1"]
    result = finetune(*given, *more, "--general-mix", 0.4, "--report-samples", 0)
    assert result.exit_code == 0, result.output
    version = tmp_path / "home" / "adapters" / "tcm" / "1"
    card = json.loads((version / "lora-chat.json").read_text())
    num_trained = card["data"]["num_trained"]
    assert card["data"]["num_replayed"] == round(0.5 * num_trained)
    assert card["data"]["num_mixed_in"] == round(0.4 * num_trained)
    assert card["config"]["quantize"] == "int8"
    settings = json.loads((version / "adapter_config.json").read_text())
    assert settings["use_rslora"] is True
    assert set(settings["target_modules"]) == {"q_proj", "v_proj"}


def test_values_that_make_no_sense_are_refused_by_name(finetune: Callable[..., Any]):
    for option, value in (("--rank", 0), ("--quantize", "nf3"), ("--prompt-loss-weight", 2)):
        result = finetune(option, value)
        assert result.exit_code != 0
        assert option.removeprefix("--").replace("-", "_") in str(result.exception)
    assert "rank=8,16,32" in str(finetune("--sweep", "rank").exception)


@pytest.fixture
def corrections(finetune: Callable[..., Any], tmp_path: Path) -> Path:
    """Of the adapter tcm, which was trained on thirteen conversations."""
    result = finetune("--set", "epochs=1", "--report", "none", "--rank", 4)
    assert result.exit_code == 0, result.output
    path = tmp_path / "corrections.txt"
    path.write_text("患者：新的？\n医生：好。\n\n患者：别的？\n医生：行。\n", encoding="utf-8")
    return path


def go_on(corrections: Path, *options: object) -> Any:
    home = str(corrections.parent / "home")
    given = ["finetune", corrections, "--from", "tcm", "--home", home, *options]
    return CliRunner().invoke(app, [*map(str, given)])


def test_a_dry_run_says_what_going_on_means(corrections: Path):
    result = go_on(corrections, "--dry-run")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "conversations 2 to train on, 3 held out" in said
    assert "goes on from tcm@1" in said
    assert "3 of those held out are tcm@1's own; 0 more are asked now" in said
    assert "older ones 8, trained on again" in said
    assert "epochs 40 2 corrections" in said
    assert "rank 4 tcm@1" in said
    assert "All 2 new conversations are trained on" in " ".join(result.output.split())
    swept = go_on(corrections, "--dry-run", "--sweep", "learning_rate=1e-4,1e-3")
    assert "none is held out" in str(swept.exception)


def test_going_on_makes_the_next_version_and_says_what_became_of_both_sides(corrections: Path):
    result = go_on(corrections, "--set", "epochs=1", "--report", "none", "--replay", "0.1")
    assert result.exit_code == 0, result.output
    assert "Adapter tcm@2" in result.stdout
    assert "Of 2 new conversations, 0 are answered word for word" in result.stdout
    assert "Held-out answer loss at training precision: tcm@1 " in result.stdout


def test_a_ratio_alone_needs_an_adapter_to_go_on_from(finetune: Callable[..., Any]):
    result = finetune("--replay", "0.1")
    assert result.exit_code == 2
    assert "say which file" in result.output


def test_a_dry_sweep_tells_the_time_of_each_run_and_of_all(
    finetune: Callable[..., Any], tmp_path: Path
):
    result = finetune("--dry-run", "--sweep", "rank=2,4", "--sweep", "epochs=1,3")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines() if "rank=" in line]
    assert [row[:4] for row in rows] == [
        ["1", "rank=2,", "epochs=1", "2"],
        ["2", "rank=2,", "epochs=3", "6"],
        ["3", "rank=4,", "epochs=1", "2"],
        ["4", "rank=4,", "epochs=3", "6"],
    ]
    assert "4 runs take about" in result.stdout
    assert result.output.count("Measuring a few steps") == 2  # epochs change nothing of the speed
    assert not (tmp_path / "home" / "runs").exists()


def test_a_base_of_another_family_is_told_what_trains_and_what_serves_it(
    tmp_path: Path, make_base: Callable[..., Path], caplog: pytest.LogCaptureFixture
):
    (tmp_path / "tcm.txt").write_text(DIALOGUE)
    base, home = str(make_base("phi")), tmp_path / "home"
    given = ["finetune", str(tmp_path / "tcm.txt"), "--base", base, "--home", str(home)]
    result = CliRunner().invoke(app, [*given, "--set", "epochs=1", "--report", "none"])
    assert result.exit_code == 0, result.output
    (run,) = (home / "runs").iterdir()
    assert "with PEFT's own layers" in (run / "train.log").read_text(encoding="utf-8")
    assert "Neither the torch engine nor llama.cpp's serves this base" in caplog.text
    said = " ".join(result.output.split())
    assert "Ask it of a server that serves its base (`lora-chat adapters verify tcm" in said
    checked = CliRunner().invoke(app, ["adapters", "verify", "tcm", "--home", str(home)])
    assert checked.exit_code == 0, checked.output
