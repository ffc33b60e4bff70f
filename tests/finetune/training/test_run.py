"""A run's folder, and what of it survives."""

from pathlib import Path
from typing import Any

import pytest

from finetune.errors import NotResumable
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


def config(**options: Any) -> TrainConfig:
    return TrainConfig.model_validate(options)


def test_a_run_goes_on_however_its_files_and_its_name_are_said(tmp_path: Path):
    state = RunState(name="tcm", data_sha256="1", validation=tmp_path / "measured.txt")
    run = Run.start(config(data="tcm.txt", validation="measured.txt", rank=4), state, tmp_path)
    (run.folder / "checkpoints" / "step-1").mkdir(parents=True)
    whole = {"data": tmp_path / "tcm.txt", "validation": state.validation, "rank": 4}
    again = config(**whole, name="tcm", output_dir=run.folder)
    other = state.model_copy(update={"name": "bike"})
    with pytest.raises(NotResumable, match=r"other values: name \(tcm\)\."):
        Run.resume(again, other, tmp_path, tmp_path)
    with pytest.raises(NotResumable, match=r"other values: rank \(4\)\."):
        Run.resume(config(**whole | {"rank": 8}), state, tmp_path, tmp_path)
    assert Run.resume(again, state, tmp_path, tmp_path).folder == run.folder
