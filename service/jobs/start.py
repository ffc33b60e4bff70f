"""The process of a job, started so that it outlives whoever has started it."""

import subprocess
import sys

from finetune.free_cores import give_way, let_session_give_way
from finetune.hardware import before_torch
from service.own_command import own_environment

from .desk import Desk

DATABASE = "LORA_CHAT_DATABASE"  # its URL may hold a password, which no list of processes shows
# A group of its own and no window, on Windows; elsewhere `start_new_session` does it.
DETACHED = 0x00000200 | 0x08000000 if sys.platform == "win32" else 0


def start_worker(
    desk: Desk, job_id: str, database: str | None = None, slots: int = 1
) -> "subprocess.Popen[bytes]":
    """Start what works on a job. It ends at once where somebody else does, or where already so many
    jobs run. What it says goes into the job's log."""
    command = [sys.executable, "-m", "service.jobs.work.worker", str(desk.home), job_id, str(slots)]
    with desk.log(job_id).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=training_environment(database),
            start_new_session=True,
            creationflags=DETACHED,
        )
    give_way(process.pid)  # by itself it would do so after seconds of importing
    let_session_give_way(process.pid)
    return process


def training_environment(database: str | None = None) -> dict[str, str]:
    """The environment of a process that trains, with the database that it shall open."""
    environment = own_environment()
    before_torch(environment=environment)
    environment.pop(DATABASE, None)
    if database is not None:
        environment[DATABASE] = database
    return environment
