"""Processes that are started together end together, and one of them talks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from finetune.training.launcher import launch

ROOT = Path(__file__).parents[3]


def doing(code: str) -> "partial[None]":
    """Work that another process can be handed."""
    return partial(exec, f"import os, sys, time\nrank = int(os.environ['RANK'])\n{code}")


def test_each_knows_its_place(tmp_path: Path):
    told = "' '.join(os.environ[n] for n in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_PORT'))"
    path = str(tmp_path / "told")
    assert launch(2, doing(f"open({path!r} + str(rank), 'w').write({told})")) == 0
    first, second = (Path(f"{path}{rank}").read_text().split() for rank in (0, 1))
    assert (first[:3], second[:3]) == (["0", "0", "2"], ["1", "1", "2"])
    assert first[3] == second[3]


def test_what_all_say_is_said_once(capfd: pytest.CaptureFixture[str]):
    assert launch(2, doing("print('so', file=sys.stderr); sys.exit(3)")) == 3
    assert capfd.readouterr().err == "so\n"


def test_what_another_fails_of_is_told_and_ends_the_first(capfd: pytest.CaptureFixture[str]):
    code = "print(rank, 'fails', file=sys.stderr); sys.exit(4)"
    assert launch(2, doing(f"if rank == 1:\n    {code}\ntime.sleep(0.5)")) == 4
    assert capfd.readouterr().err == "1 fails\n"


def test_one_that_is_killed_is_named(capfd: pytest.CaptureFixture[str]):
    code = "if rank == 1:\n    import signal\n    os.kill(os.getpid(), signal.SIGKILL)"
    assert launch(2, doing(code)) == 1
    assert "Process 2 of 2 was ended by signal 9" in capfd.readouterr().err


def test_those_whose_starter_is_killed_end_as_at_a_ctrl_c(tmp_path: Path):
    """Each has a file of its own, and removes it when it is interrupted."""
    work = (
        "try:\n    open(f'{folder}/{rank}', 'w').close()\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    os.remove(f'{folder}/{rank}')"
    ).replace("{folder}", str(tmp_path))
    code = (
        "from functools import partial; from finetune.training.launcher import launch;"
        f"launch(2, partial(exec, {doing(work).args[0]!r}))"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    _wait_until(lambda: len(os.listdir(tmp_path)) == 2)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    _wait_until(lambda: not os.listdir(tmp_path))


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
