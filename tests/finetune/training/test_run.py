"""A run's folder, and what of it survives."""

from pathlib import Path

import pytest

from finetune.training.config import TrainConfig
from finetune.training.run import Run, RunState, read_state
from tests.disk_calls import record_disk


def test_a_run_and_what_it_has_made_are_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = record_disk(monkeypatch, tmp_path)
    run = Run.start(
        TrainConfig.model_validate({}), RunState(name="tcm", data_sha256=""), tmp_path / "runs"
    )
    assert calls == [
        *("fsync .", "fsync runs"),
        *("fsync runs/tcm-1/.config.yaml.?", "runs/tcm-1/.config.yaml.? -> runs/tcm-1/config.yaml"),
        *("fsync runs/tcm-1", "fsync runs/tcm-1/.run.json.?"),
        *("runs/tcm-1/.run.json.? -> runs/tcm-1/run.json", "fsync runs/tcm-1"),
    ]
    run.finish("tcm@1")
    assert calls[8:11] == calls[5:8]
    assert all("runs/tcm-1/served" in call for call in calls[11:])  # checkpoints that are over
    assert read_state(run.folder) == run.state


def test_each_run_has_an_id_of_its_own(tmp_path: Path):
    state = RunState(name="tcm", data_sha256="")
    runs = [
        Run.start(TrainConfig.model_validate({}), state.model_copy(), tmp_path) for _ in range(2)
    ]
    assert len({run.state.id for run in runs} - {""}) == 2
