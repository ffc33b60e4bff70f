"""The process of a job, from its first moment."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from finetune.free_cores import NICENESS
from finetune.hardware import SERVING_SPINS, SPIN_COUNT, TRAINING_SPINS
from service.jobs.desk import Desk
from service.jobs.start import start_worker


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are others there")
def test_a_process_gives_way_before_it_has_imported_anything(tmp_path: Path):
    process = start_worker(Desk(tmp_path), "ftjob-1")  # which is not there: it ends by itself
    try:
        assert psutil.Process(process.pid).nice() >= NICENESS
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes tell nothing here")
@pytest.mark.parametrize(
    ("own", "expected"), [(None, TRAINING_SPINS), (SERVING_SPINS, TRAINING_SPINS), ("7", "7")]
)
def test_its_threads_wait_as_a_trainings_do_not_as_a_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, expected: str
):
    monkeypatch.delenv(SPIN_COUNT, raising=False)
    if own is not None:
        monkeypatch.setenv(SPIN_COUNT, own)
    process = start_worker(Desk(tmp_path), "ftjob-1")
    try:
        # At the moment of exec a process has no environment yet.
        deadline = time.monotonic() + 10
        while not (environment := psutil.Process(process.pid).environ()):
            assert time.monotonic() < deadline
        assert environment[SPIN_COUNT] == expected
    finally:
        process.kill()
        process.wait()


AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not os.access(AUTOGROUP, os.W_OK), reason="no sessions with a niceness")
def test_the_session_of_a_process_gives_way_to_other_sessions(tmp_path: Path):
    process = start_worker(Desk(tmp_path), "ftjob-1")
    try:
        told = Path(f"/proc/{process.pid}/autogroup").read_text(encoding="ascii")
        assert told.split()[-1] == str(NICENESS)
    finally:
        process.kill()
        process.wait()
