"""The process of a job, from its first moment."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from finetune.free_cores import NICENESS
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
