"""Who works on a job, told across processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from filelock import FileLock

from service.jobs.desk import Desk

ROOT = Path(__file__).parents[3]
WORK = """
import sys, time
from pathlib import Path
from service.jobs.desk import Desk
with Desk(Path(sys.argv[1])).working_on("ftjob-1") as is_mine:
    print(is_mine, flush=True)
    time.sleep(60 if is_mine else 0)
"""


def start(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORK, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    with process.stdout:
        return process.stdout.readline().strip()


def test_a_home_has_one_name_that_stays(tmp_path: Path):
    assert Desk(tmp_path / "a").place == Desk(tmp_path / "a").place
    assert Desk(tmp_path / "a").place != Desk(tmp_path / "b").place


def test_a_job_is_held_by_one_process_until_it_ends_however_it_ends(tmp_path: Path):
    desk = Desk(tmp_path)
    assert not desk.is_held("ftjob-1")
    first = start(tmp_path)
    assert said(first) == "True"
    assert desk.is_held("ftjob-1")
    holder = desk.holder("ftjob-1")
    assert holder is not None
    assert holder.pid == first.pid
    second = start(tmp_path)
    assert said(second) == "False"
    assert second.wait(30) == 0
    desk.kill("ftjob-1")
    assert first.wait(30) != 0
    assert not desk.is_held("ftjob-1")
    assert desk.holder("ftjob-1") is None
    desk.forget("ftjob-1")
    assert [path.name for path in desk.folder.iterdir()] == []


def test_a_process_that_is_another_by_now_is_not_killed(tmp_path: Path):
    desk = Desk(tmp_path)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    first = start(tmp_path)
    assert said(first) == "True"
    created = psutil.Process(sleeper.pid).create_time() - 5
    (desk.folder / "ftjob-1.process").write_text(f"{sleeper.pid} {created}")
    desk.kill("ftjob-1")
    time.sleep(0.2)
    assert sleeper.poll() is None
    for each in (first, sleeper):
        each.kill()
        each.wait(30)


def test_nobody_kills_himself(tmp_path: Path):
    desk = Desk(tmp_path)
    with desk.working_on("ftjob-1") as is_mine:
        assert is_mine
        holder = desk.holder("ftjob-1")
        assert holder is not None
        assert holder.pid == os.getpid()
        desk.kill("ftjob-1")


def test_a_job_is_taken_although_somebody_looks_at_it_just_then(tmp_path: Path):
    desk = Desk(tmp_path)
    with desk.working_on("ftjob-1"):
        pass
    (lock_file,) = desk.folder.glob("ftjob-1.lock")
    looks = FileLock(lock_file, thread_local=False)  # as `is_held` does, for a moment
    looks.acquire()
    end_of_look = threading.Timer(0.05, looks.release)
    end_of_look.start()
    with desk.working_on("ftjob-1") as is_mine:
        assert is_mine
    end_of_look.join()
