"""Starts the processes that train one adapter together on this machine, and ends them together."""

import _thread
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from data.wording import _
from finetune.free_cores import usable_cores

GRACE = 10.0  # [seconds] in which the others end by themselves, once one has failed
LOOPBACK = "127.0.0.1"


def launch(count: int, work: Callable[[], None]) -> int:
    """Do `work`, which ends by `sys.exit`, in so many processes that `join_processes` joins.

    They import what this process imports, from the same places, whatever the current folder holds.
    The first alone talks; what another says is told where the first has not failed. A Ctrl-C
    reaches all of them and is theirs to obey. Returns the exit code.
    """
    context = get_context("spawn")
    port, before = _free_port(), signal.signal(signal.SIGINT, lambda *_given: None)
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / str(rank) for rank in range(count)]
        processes = [
            context.Process(target=_work, args=(work, _environment(rank, count, port), log))
            for rank, log in enumerate(logs)
        ]
        try:
            for process in processes:
                process.start()
            codes = _wait(processes)
        finally:
            _end(processes)
            signal.signal(signal.SIGINT, before)
        _tell(codes, logs)
    return next((1 if code < 0 else code for code in codes if code), 0)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        return free.getsockname()[1]


def _environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torch.distributed reads, as torchrun would have set it."""
    threads = str(max(1, len(usable_cores()) // count))
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
    }


def _work(work: Callable[[], None], environment: dict[str, str], log: Path) -> None:
    os.environ.update(environment)
    if environment["RANK"] != "0":
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    work()


def _stop_with_parent() -> None:
    """A training that nobody waits for any more saves what it has, as at a Ctrl-C."""
    if parent := parent_process():
        parent.join()
        if sys.platform == "win32":
            _thread.interrupt_main()
        else:
            os.kill(os.getpid(), signal.SIGINT)  # which wakes a thread that waits, too


def _wait(processes: Sequence[BaseProcess]) -> list[int | None]:
    """The exit codes, once all have ended, or one has failed and the others had their time."""
    running = list(processes)
    while running and not any(process.exitcode for process in processes):
        wait([process.sentinel for process in running])
        running = [process for process in running if process.exitcode is None]
    end = time.monotonic() + GRACE
    for process in running:
        process.join(max(0.0, end - time.monotonic()))
    return [process.exitcode for process in processes]


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.pid is not None:
            process.terminate()
            process.join()


def _tell(codes: Sequence[int | None], logs: Sequence[Path]) -> None:
    """What the first process, which talks, could not say."""
    for rank, code in enumerate(codes):
        if code is not None and code < 0:
            told = _("Process {number} of {total} was ended by signal {signal}.")
            said = told.format(number=rank + 1, total=len(codes), signal=-code)
            sys.stderr.write(f"{said}\n")
    failed = [log for code, log in zip(codes, logs, strict=True) if code is not None and code > 0]
    if failed and failed[0].is_file():
        sys.stderr.write(failed[0].read_text(encoding="utf-8", errors="replace"))
