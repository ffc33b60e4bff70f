"""Training in NF4: what is predicted of its memory, and what the first steps take."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.process import LOG_TAIL, ProgramFailed, running, tail
from finetune.hardware import look_at_memory
from finetune.room import Reckoning
from service.bench.figures import Figures
from service.bench.prompts import Prompts

from .memory import MemoryWatch
from .sitting import SEED, Sitting

TRAINER = "lora-chat finetune"
RECKONED = "memory, reckoned from the shape"
REHEARSED, TRAINED = "--dry-run", "the first steps"
STEPS = {"7b": 1}  # of others: five
MOST_STEPS = 5
NUM_CONVERSATIONS = 20
WORDS = 40  # of a question, and of an answer
LONGEST = 900  # [seconds] until the steps are done
SAID = re.compile(r"([\d.]+) GiB")


def measure_training(sitting: Sitting) -> None:
    sitting.measure(TRAINER, RECKONED, lambda: _reckon(sitting))
    sitting.measure(TRAINER, REHEARSED, lambda: _rehearse(sitting))
    sitting.measure(TRAINER, TRAINED, lambda: _train(sitting))


def _reckon(sitting: Sitting) -> Figures:
    """What a server and a recommendation say beforehand, of a run with these options; comparing
    base and adapter in the end may take more than its steps."""
    found = Reckoning(str(sitting.base), sitting.home).run_bytes({}, look_at_memory())
    return {"bytes": found}


def _rehearse(sitting: Sitting) -> Figures:
    """What it predicts of memory, and what it takes itself. Raises ProgramFailed with what it
    says."""
    with (
        running([*_command(sitting), "--dry-run"], log := sitting.log("dry-run")) as program,
        MemoryWatch(program.process.pid, with_children=True) as watch,
    ):
        try:
            code = program.process.wait(LONGEST)
        except subprocess.TimeoutExpired as error:
            raise ProgramFailed(f"It took longer than {LONGEST} s.") from error
    if code != 0:
        raise ProgramFailed(tail(log)[-LOG_TAIL:])
    said = SAID.search(log.read_text(encoding="utf-8"))
    predicted = float(said[1]) * (1 << 30) if said else None
    return {"predicted_bytes": predicted, "resident_bytes": watch.resident}


def _train(sitting: Sitting) -> Figures:
    """Train until so many steps are done, in a home of its own. Raises ProgramFailed with what it
    says where it does not."""
    home = sitting.home / "training"
    shutil.rmtree(home, ignore_errors=True)
    wanted = STEPS.get(sitting.size, MOST_STEPS)

    def steps() -> list[dict[str, float]] | None:
        lines = [line for file in home.glob("runs/*/metrics.jsonl") for line in file.open()]
        return [*map(json.loads, lines)] if len(lines) >= wanted else None

    with (
        running([*_command(sitting), "--home", str(home)], sitting.log("training")) as program,
        MemoryWatch(program.process.pid, with_children=True) as watch,
    ):
        found = program.wait_for(steps, timeout=LONGEST)
    return {
        "steps": len(found),
        "resident_bytes": watch.resident,
        "anonymous_bytes": watch.anonymous,
        "tokens_per_second": found[-1].get("tokens_per_second"),
    }


def _command(sitting: Sitting) -> list[str]:
    options = ("batch_size=1", "epochs=1", "evals_per_epoch=1")
    return [
        *(sys.executable, "-m", "service.cli", "finetune", str(_rows(sitting.home))),
        *("--base", str(sitting.base), "--name", "sized"),
        *(part for option in options for part in ("--set", option)),
    ]


def _rows(home: Path) -> Path:
    """Conversations of the same length: every step has a row like every other."""
    path, prompts = home / "rows.jsonl", Prompts(SEED)
    rows = [
        {
            "messages": [
                {"role": "user", "content": prompts.question(2 * number, WORDS)},
                {"role": "assistant", "content": prompts.question(2 * number + 1, WORDS)},
            ]
        }
        for number in range(NUM_CONVERSATIONS)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path
