"""Runs that are killed, run out of disk, explode, or are divided among processes."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune.adapters.versions import list_versions
from finetune.errors import TrainingStopped
from finetune.job import Job
from finetune.training.checkpoint import list_checkpoints
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics
from tests.disk_calls import killed_at

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(16)) + "\n"

# As `finetune --processes 2` starts them.
OWN = (
    "-c",
    "import runpy, sys; from functools import partial;"
    "from finetune.training.launcher import launch;"
    "sys.exit(launch(2, partial(runpy.run_path, sys.argv.pop(1))))",
)
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
ACCELERATE = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1")

# The run in a process of its own, as short as the command is long.
PROGRAM = """
import sys
from pathlib import Path
from finetune.training.config import load_config
from finetune.job import Job

config = load_config(Path(sys.argv[1]), {})
job = Job(config, Path(sys.argv[2]))
print(job.try_out())
"""


class Work:
    """A data file, a tiny base and a folder for each run."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder = folder
        self.base = base
        (folder / "data.txt").write_text(DIALOGUE, encoding="utf-8")

    def options(self, run: str, **options: Any) -> dict[str, Any]:
        values = {"data": str(self.folder / "data.txt"), "base": str(self.base), "name": "tiny"}
        plan = {"epochs": 3, "learning_rate": 0.01, "save_steps": 1, "batch_size": 4}
        return {
            **values,
            **plan,
            "quantize": "none",
            "output_dir": str(self.folder / run),
            **options,
        }

    def start(self, run: str, launcher: tuple[str, ...] = (), **options: Any) -> Any:
        config = self.folder / f"{run}.yaml"
        config.write_text(json.dumps(self.options(run, **options)))
        program = self.folder / "program.py"
        program.write_text(PROGRAM)
        return subprocess.Popen(
            [sys.executable, *launcher, str(program), str(config), str(self.folder / "home")],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, run: str, launcher: tuple[str, ...] = (), **options: Any) -> None:
        process = self.start(run, launcher, **options)
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors

    def losses(self, run: str) -> list[tuple[int, float, float | None]]:
        lines = (self.folder / run / "metrics.jsonl").read_text().splitlines()
        steps = [json.loads(line) for line in lines]
        return [(step["step"], step["loss"], step["eval_loss"]) for step in steps]

    def best(self, run: str) -> dict[str, torch.Tensor]:
        return load_file(list_checkpoints(self.folder / run)[-1] / "best.safetensors")


@pytest.fixture
def work(tmp_path: Path, make_base: Any) -> Work:
    return Work(tmp_path, make_base("llama"))


def test_a_run_killed_at_any_moment_goes_on_as_if_it_never_was(work: Work):
    work.finish("whole")
    chooser = random.Random(7)
    for kill_at in (1, chooser.randint(2, 5), chooser.randint(6, 8)):
        run = f"killed-at-{kill_at}"
        process = work.start(run)
        _wait_for_lines(work.folder / run / "metrics.jsonl", kill_at, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        work.finish(run)
        assert work.losses(run) == work.losses("whole")
        whole, resumed = work.best("whole"), work.best(run)
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("is_taken", [False, True], ids=["before", "after"])
def test_a_run_killed_as_a_checkpoint_appears_tells_each_step_once(is_taken: bool, work: Work):
    job_of(work, "whole", Silent()).try_out()
    checkpoint = work.folder / "run" / "checkpoints" / "step-000004"
    killed_at(checkpoint, try_out, work, "run", is_taken=is_taken)
    assert len(work.losses("run")) == 4
    assert checkpoint.exists() == is_taken
    try_out(work, "run")
    assert work.losses("run") == work.losses("whole")


def try_out(work: Work, run: str) -> None:
    job_of(work, run, Silent()).try_out()


def _wait_for_lines(path: Path, number: int, process: Any) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and path.read_text().count("\n") >= number:
            return
        time.sleep(0.002)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(OWN, id="own"),
        pytest.param(TORCHRUN, id="torchrun", marks=pytest.mark.slow),
        pytest.param(ACCELERATE, id="accelerate", marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_losses_of_one(launcher: tuple[str, ...], work: Work):
    work.finish("alone")
    work.finish("together", launcher)
    alone, together = work.losses("alone"), work.losses("together")
    assert len(alone) == len(together) > 5
    for one, other in zip(alone, together, strict=True):
        assert one[:2] == pytest.approx(other[:2], rel=2e-3)
        assert one[2] == (other[2] and pytest.approx(other[2], rel=2e-3))


class Observer(Silent):
    def __init__(self) -> None:
        self.steps: list[StepMetrics] = []

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)


def job_of(work: Work, run: str, observer: Any, **options: Any) -> Job:
    config = TrainConfig.model_validate(work.options(run, **options))
    return Job(config, work.folder / "home", observer)


def test_a_full_disk_keeps_the_last_checkpoint_and_says_how_to_go_on(work: Work):
    class Filling(Observer):
        def on_step(self, metrics: StepMetrics) -> None:
            super().on_step(metrics)
            if metrics.step == 4:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))

    job, unlimited = job_of(work, "run", Filling()), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainingStopped, match=r"cannot be written.*--resume"):
            job.try_out()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    kept = [folder.name for folder in list_checkpoints(work.folder / "run")]
    assert kept == ["step-000002", "step-000003"]
    assert not list((work.folder / "run" / "checkpoints").glob(".new-*"))
    job_of(work, "run", Observer()).try_out()
    assert [folder.name for folder in list_checkpoints(work.folder / "run")][-1] == "step-000009"


def test_a_full_disk_at_the_end_loses_nothing_that_was_trained(work: Work):
    class Filling(Observer):
        def on_stage(self, text: str) -> None:
            if list_checkpoints(work.folder / "run")[-1:] == [last]:
                resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, unlimited[1]))

    last = work.folder / "run" / "checkpoints" / "step-000009"
    job = job_of(work, "run", Filling(), name="tiny", report="short")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainingStopped, match=r"The adapter cannot be written.*--resume"):
            job.execute()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert last.is_dir()
    assert not list_versions(work.folder / "home" / "adapters", "tiny")


def test_a_course_that_cannot_be_written_stops_the_run_with_advice(work: Work):
    class Losing(Observer):
        def on_step(self, metrics: StepMetrics) -> None:
            super().on_step(metrics)
            if metrics.step == 3:
                log = work.folder / "run" / "metrics.jsonl"
                log.rename(log.with_suffix(".gone"))
                log.mkdir()

    with pytest.raises(TrainingStopped, match=r"cannot be written.*--resume"):
        job_of(work, "run", Losing()).try_out()


def test_half_a_line_of_metrics_is_passed_over(work: Work):
    class Stopping(Observer):
        def should_stop(self) -> bool:
            return len(self.steps) == 4

    with pytest.raises(TrainingStopped):
        job_of(work, "run", Stopping()).try_out()
    with (work.folder / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "num_st')
    job_of(work, "run", Observer()).try_out()
    assert [step for step, *_ in work.losses("run")] == list(range(1, 10))


def test_the_size_of_micro_batches_changes_nothing_but_the_speed(work: Work):
    plain, small = Observer(), Observer()
    job_of(work, "plain", plain).try_out()
    job_of(work, "small", small, micro_batch_tokens=32).try_out()
    for one, other in zip(plain.steps, small.steps, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=2e-3)


def test_events_and_log_tell_the_course_of_the_run(work: Work):
    observer = Observer()
    job_of(work, "run", observer).try_out()
    log = (work.folder / "run" / "train.log").read_text(encoding="utf-8")
    assert "to train on" not in log  # decided before the folder was there
    assert "Training" in log
    seen = _scalars(work.folder / "run" / "events")
    assert seen["loss"] == pytest.approx([step.loss for step in observer.steps], rel=1e-5)
    assert len(seen["memory_bytes"]) == len(observer.steps)
    assert len(seen["eval_loss"]) == sum(s.eval_loss is not None for s in observer.steps)


def _scalars(folder: Path) -> dict[str, list[float]]:
    """What TensorBoard would draw."""
    from tensorboardX.proto import event_pb2

    found: dict[str, list[float]] = {}
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            # length (8 bytes), its checksum (4), the event, its checksum (4)
            size = int.from_bytes(data[at : at + 8], "little")
            event: Any = event_pb2.Event()  # pyright: ignore[reportAttributeAccessIssue] - made by protobuf
            event.ParseFromString(data[at + 12 : at + 12 + size])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(value.simple_value)
            at += 16 + size
    return found
