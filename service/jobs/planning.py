"""What a job would do, and what it would take: a process of its own rehearses it."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from data.errors import DataError
from finetune.errors import FinetuneError
from finetune.free_cores import give_way
from service.errors import InvalidRequest
from service.home import without_folders
from service.own_command import own_environment
from serving.errors import EngineBusy

from .job import NewJob

logger = logging.getLogger(__name__)

PATIENCE = 300.0  # [seconds] for one plan
MAX_WAITING = 4  # plans that wait while another one is made
SHOWN = 2000  # [characters] of what a process said at last


class Rehearsal(BaseModel):
    """What the process is to do."""

    model_config = ConfigDict(frozen=True)

    home: Path
    options: dict[str, Any]  # of a TrainConfig


class Plan(BaseModel):
    model_config = ConfigDict(frozen=True)

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    num_conversations: int  # that are trained on
    num_held_out: int
    num_steps: int
    trained_tokens: int  # over all steps, prompts included
    answer_tokens: int  # of them, those of answers
    seconds: float  # without the report at the end
    report_seconds: float
    memory_bytes: int


class Outcome(BaseModel):
    """What the process answers."""

    model_config = ConfigDict(frozen=True)

    plan: Plan | None = None
    refused: str = ""


class Planning:
    """Makes one plan at a time."""

    def __init__(
        self, home: Path, path_of: Callable[[str], Path], patience: float = PATIENCE
    ) -> None:
        self._home = home
        self._path_of = path_of  # where the content of a file lies, by its id; asked in threads
        self._patience = patience
        self._lock = asyncio.Lock()
        self._num_waiting = 0

    async def plan(self, new: NewJob) -> Plan:
        """Ended early where nobody waits for it.

        Raises EngineBusy, InvalidRequest where the data or the options do not go, and what finding
        the files raises.
        """
        if self._num_waiting > MAX_WAITING:
            raise EngineBusy("Other jobs are being planned. Try again shortly.")
        self._num_waiting += 1
        try:
            async with self._lock:
                paths = await run_in_threadpool(self._paths, new)
                named = {key: str(path) for key, path in paths.items()}
                outcome = await self._rehearse({**new.options, **named, "name": new.name})
        finally:
            self._num_waiting -= 1
        if outcome.plan is None:
            folders = (path.parent for path in paths.values())
            told = without_folders(outcome.refused, *folders, self._home)
            raise InvalidRequest(told, "training_file")
        return outcome.plan

    async def _rehearse(self, options: dict[str, Any]) -> Outcome:
        asked = Rehearsal(home=self._home, options=options).model_dump_json()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=own_environment(),
        )
        try:
            give_way(process.pid)
            talk = process.communicate(asked.encode())
            answer, said = await asyncio.wait_for(talk, self._patience)
        except TimeoutError:
            raise EngineBusy(
                f"The plan was not made after {self._patience:g} seconds. Try again when this "
                "machine has less to do."
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"A plan ended with {process.returncode}: {_end_of(said)}")
        return Outcome.model_validate_json(answer)

    def _paths(self, new: NewJob) -> dict[str, Path]:
        files = {"data": new.training_file, "validation": new.validation_file}
        return {key: self._path_of(file) for key, file in files.items() if file is not None}


def _end_of(said: bytes) -> str:
    return said.decode(errors="replace")[-SHOWN:]


def rehearse(asked: Rehearsal) -> Outcome:
    """Load the base and compute a few steps, as the job itself would."""
    from finetune.job import Job
    from finetune.training.config import load_config

    try:
        rehearsed = Job(load_config(None, asked.options), asked.home).rehearse()
    except (DataError, FinetuneError) as error:
        return Outcome(refused=str(error))
    plan, summary, prepared = rehearsed.plan, rehearsed.dataset.summary, rehearsed.prepared
    return Outcome(
        plan=Plan(
            n_epochs=plan.epochs,
            batch_size=plan.batch_size,
            learning_rate_multiplier=asked.options.get("learning_rate_multiplier", 1.0),
            num_conversations=summary.num_trained,
            num_held_out=summary.num_held_out,
            num_steps=prepared.num_steps,
            trained_tokens=plan.num_tokens + prepared.num_later_tokens,
            answer_tokens=rehearsed.num_trained_tokens,
            seconds=rehearsed.seconds,
            report_seconds=rehearsed.report_seconds,
            memory_bytes=rehearsed.memory_bytes,
        )
    )


def main() -> None:
    """JSON on stdin, JSON on stdout."""
    from finetune.hardware import before_torch

    before_torch()
    asked = Rehearsal.model_validate_json(sys.stdin.read())
    with redirect_stdout(sys.stderr):
        outcome = rehearse(asked)
    sys.stdout.write(outcome.model_dump_json())


if __name__ == "__main__":
    main()
