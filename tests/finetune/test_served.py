"""Checkpoints that can be asked while a run goes on: whole folders, the best and the newest."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.trained_base import check_base
from finetune.adapters.version import AdapterVersion
from finetune.errors import TrainingStopped
from finetune.job import Job
from finetune.training.checkpoint import list_checkpoints, read_progress
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics
from finetune.training.run import read_state
from tests.disk_calls import killed_at

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(16)) + "\n"


class Stopping(Silent):
    def __init__(self, after: int | None) -> None:
        self.after = after
        self.num_steps = 0

    def on_step(self, metrics: StepMetrics) -> None:
        self.num_steps = metrics.step

    def should_stop(self) -> bool:
        return self.num_steps == self.after


class Work:
    """A home, and a run of nine steps in it; after the second step the adapter gets worse."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.home, self.base = folder / "home", base
        self.run = self.home / "runs" / "run"
        self.served = self.run / "served"
        self.data = folder / "tcm.txt"
        self.data.write_text(DIALOGUE, encoding="utf-8")

    def job(self, stop_after: int | None = None, **options: Any) -> Job:
        values = {"data": self.data, "base": str(self.base), "output_dir": self.run, "epochs": 3}
        values |= {"learning_rate": 0.05, "batch_size": 4, "warmup_ratio": 0, "patience": 9}
        values |= {"quantize": "none", "report": "none", "rank": 2, "serve_checkpoints": True}
        config = TrainConfig.model_validate({**values, "system": "你是中医。", **options})
        return Job(config, self.home, Stopping(stop_after))

    def versions(self) -> dict[int, AdapterVersion]:
        """All that can be asked, and whole."""
        found = {int(path.name.removeprefix("step-")): path for path in self.served.glob("step-*")}
        versions = {step: AdapterVersion("tcm", str(step), found[step]) for step in sorted(found)}
        for version in versions.values():
            version.check_whole()
        return versions


@pytest.fixture
def work(tmp_path: Path, make_base: Any) -> Work:
    return Work(tmp_path, make_base("llama"))


def execute(work: Work) -> None:
    work.job().execute()


def test_the_best_and_the_newest_checkpoint_can_be_asked_until_the_run_has_ended(work: Work):
    with pytest.raises(TrainingStopped):
        work.job(7).execute()
    progress = read_progress(work.run)
    assert progress is not None
    versions = work.versions()
    assert list(versions) == [progress.best_step, 7]
    assert progress.best_step < 7
    checkpoint = list_checkpoints(work.run)[-1]
    for step, file in ((7, "adapter.safetensors"), (progress.best_step, "best.safetensors")):
        served, kept = load_file(versions[step].folder / WEIGHTS_FILE), load_file(checkpoint / file)
        assert all(torch.equal(served[name], kept[name]) for name in (*served, *kept))
    work.job().execute(resume=True)
    assert read_state(work.run).adapter == "tcm@1"
    assert not work.served.exists()
    assert not list(work.run.glob(".*"))


def test_a_checkpoint_is_an_adapter_like_the_one_that_the_run_makes(work: Work):
    with pytest.raises(TrainingStopped):
        work.job(4).execute()
    version = work.versions()[4]
    card, base = version.card, work.job().prepare().base
    assert card is not None
    assert card.losses is None  # at serving precision
    assert card.metrics["step"] == 4
    assert card.metrics["training_loss"] > 0
    assert (card.system, card.run) == ("你是中医。", "")
    check_base(version, base)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(work.base), str(version.folder)
    )
    settings: Any = model.peft_config["default"]
    assert settings.r == version.settings.r == 2
    served = json.loads((version.folder / CONFIG_FILE).read_text())
    made = work.job().execute(resume=True).version
    final = json.loads((made.folder / CONFIG_FILE).read_text())
    for each in (served, final):
        each["target_modules"].sort()
    assert served == final
    assert version.template == made.template


def test_nothing_is_served_unless_asked_for(work: Work):
    with pytest.raises(TrainingStopped):
        work.job(4, serve_checkpoints=False).execute()
    assert not work.served.exists()
    with pytest.raises(TrainingStopped):
        work.job(6).execute(resume=True)
    assert 6 in work.versions()


@pytest.mark.parametrize("is_taken", [False, True], ids=["before", "after"])
def test_a_kill_leaves_whole_checkpoints_alone_to_ask(is_taken: bool, work: Work):
    newest = list_steps(work)[-1]
    killed_at(work.served / f"step-{newest}", execute, work, is_taken=is_taken)
    assert (newest in work.versions()) == is_taken
    work.job().execute(resume=True)
    assert not work.served.exists()
    assert not list(work.run.glob(".*"))


def list_steps(work: Work) -> list[int]:
    """The steps that are evaluated, and so saved."""
    return sorted(work.job().prepare().plan.eval_steps)


def test_a_full_disk_is_told_and_training_goes_on(work: Work, caplog: pytest.LogCaptureFixture):
    work.run.mkdir(parents=True)
    job = work.job()
    run = job.execute(on_begun=lambda folder: (folder / "served").touch()).run
    assert "cannot be asked" in caplog.text
    assert read_state(run).adapter == "tcm@1"
