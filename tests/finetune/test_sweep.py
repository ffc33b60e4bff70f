"""Grids of values: how they are written, where they run and what is kept."""

import json
from pathlib import Path

import pytest

from finetune.errors import ConfigError, Hopeless, NotResumable
from finetune.sweep import RESULTS_FILE, parse_sweep, run_sweep, sweep_folder
from finetune.training.config import TrainConfig
from finetune.training.run import STATE_FILE, RunState

CONFIG = TrainConfig.model_validate({"data": "x.txt", "rank": 4})


def test_assignments_make_a_grid_under_any_name_of_an_option():
    assert parse_sweep(["lora_rank=8,16", "learning_rate=1e-4,2e-4"]) == [
        {"rank": 8, "learning_rate": "1e-4"},
        {"rank": 8, "learning_rate": "2e-4"},
        {"rank": 16, "learning_rate": "1e-4"},
        {"rank": 16, "learning_rate": "2e-4"},
    ]


def test_all_faults_of_a_sweep_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_sweep(["rank", "=3", "epochs=1,2", "epochs=3"])
    assert len(caught.value.faults) == 3
    with pytest.raises(ConfigError, match="at most 64"):
        parse_sweep([f"rank={','.join(map(str, range(1, 70)))}"])


def test_the_best_comes_first_and_every_result_is_written(tmp_path: Path):
    seen: list[TrainConfig] = []

    def try_out(config: TrainConfig) -> float:
        seen.append(config)
        return abs((config.learning_rate or 0) - 2e-4)

    points = parse_sweep(["learning_rate=1e-4,2e-4,4e-4"])
    tried = run_sweep(CONFIG, points, tmp_path, try_out, lambda _: None)
    assert [config.learning_rate for config in seen] == [1e-4, 2e-4, 4e-4]
    assert {config.rank for config in seen} == {4}
    assert [point.run.name for point in tried] == ["2", "1", "3"]
    assert '"held_out_loss"' in (tmp_path / RESULTS_FILE).read_text()


def test_a_run_that_explodes_is_the_worst_and_ends_no_sweep(tmp_path: Path):
    def try_out(config: TrainConfig) -> float:
        if (config.learning_rate or 0) > 1e-3:
            raise Hopeless("The loss rose")
        return 1.0

    tried = run_sweep(
        CONFIG, parse_sweep(["learning_rate=1e-2,1e-4"]), tmp_path, try_out, lambda _: None
    )
    assert [point.values["learning_rate"] for point in tried] == ["1e-4", "1e-2"]
    written = json.loads((tmp_path / RESULTS_FILE).read_text(), parse_constant=pytest.fail)
    assert [point["held_out_loss"] for point in written] == [1.0, None]
    with pytest.raises(Hopeless, match="No run"):
        run_sweep(CONFIG, parse_sweep(["learning_rate=1e-2"]), tmp_path, try_out, lambda _: None)


def test_what_decides_which_rows_are_held_out_is_no_value_to_sweep():
    with pytest.raises(ConfigError) as caught:
        parse_sweep(["seed=1,2", "system=a,b", "output_dir=x,y"])
    assert len(caught.value.faults) == 3


def test_a_wrong_value_is_told_before_anything_runs(tmp_path: Path):
    def never(_: TrainConfig) -> float:
        raise AssertionError

    for assignment in ("ranc=8,16", "rank=8,none", "target_modules=[q_proj,v_proj]"):
        with pytest.raises(ConfigError, match=r"ran|target_modules"):
            run_sweep(CONFIG, parse_sweep([assignment]), tmp_path, never, lambda _: None)


def test_only_an_interrupted_sweep_is_resumed(tmp_path: Path):
    with pytest.raises(NotResumable):
        sweep_folder(tmp_path, "tcm", resume=True)
    first = sweep_folder(tmp_path, "tcm", resume=False)
    assert first.name == "tcm-sweep-1"
    (first / "1").mkdir(parents=True)
    (first / RESULTS_FILE).write_text("[]")  # all trained, and the best not finished yet
    state = RunState(name="tcm", data_sha256="")
    (first / "1" / STATE_FILE).write_text(state.model_dump_json())
    assert sweep_folder(tmp_path, "tcm", resume=True) == first
    state.adapter = "tcm@1"
    (first / "1" / STATE_FILE).write_text(state.model_dump_json())
    with pytest.raises(NotResumable):
        sweep_folder(tmp_path, "tcm", resume=True)
    assert sweep_folder(tmp_path, "tcm", resume=False).name == "tcm-sweep-2"
