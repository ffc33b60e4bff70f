"""Tools as processes: what one of them needs of time and of memory."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.process import LOG_TAIL, ProgramFailed, Running, running, tail
from benchmarks.provenance import ROOT

from .held_out import HeldOutJob, HeldOutResult
from .task import Outcome, Task, read_outcome

OURS, PEFT, TRL, FACTORY = "lora-chat", "PEFT + Trainer", "TRL", "LLaMA-Factory"
MODULES = {OURS: "ours", PEFT: "plain_peft", TRL: "trl_sft", FACTORY: "llamafactory"}
PAUSE = 0.05  # [seconds] between two looks at a process's memory
VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONPATH": str(ROOT),
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    python: Path


@dataclass(frozen=True, slots=True)
class Trained:
    outcome: Outcome
    peak_bytes: int  # resident, of the process and its children, from start to end


def available_tools(trl_env: Path | None, factory_env: Path | None) -> list[Tool]:
    here = Path(sys.executable)
    foreign = {TRL: trl_env, FACTORY: factory_env}
    return [
        *(Tool(name, here) for name in (OURS, PEFT)),
        *(Tool(name, env / "bin" / "python") for name, env in foreign.items() if env),
    ]


def train(tool: Tool, task: Task) -> Trained:
    """Raises ProgramFailed."""
    file = task.write()
    command = [str(tool.python), "-m", f"benchmarks.tuning.{MODULES[tool.name]}", str(file)]
    with running(command, task.out / "log.txt", VARIABLES) as child:
        peak = _watch(child)
        if child.process.returncode != 0:
            raise ProgramFailed(f"{tool.name} failed:\n{tail(child.log)}")
    return Trained(read_outcome(task.out), peak)


def held_out(job: HeldOutJob) -> HeldOutResult:
    """Measure losses in a process of its own, so that no model stays in memory while a tool
    trains."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tuning.held_out"],
        input=job.model_dump_json(),
        capture_output=True,
        text=True,
        env={**os.environ, **VARIABLES},
        check=False,
    )
    if done.returncode != 0:
        raise ProgramFailed(f"The held-out loss cannot be measured:\n{done.stderr[-LOG_TAIL:]}")
    return HeldOutResult.model_validate_json(done.stdout)


def _watch(child: Running) -> int:
    """Watch a process until it ends; returns the most memory that was seen."""
    peak = 0
    while child.process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, _resident(psutil.Process(child.process.pid)))
        time.sleep(PAUSE)
    return peak


def _resident(process: psutil.Process) -> int:
    total = process.memory_info().rss
    for each in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total
