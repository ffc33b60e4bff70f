"""How many threads pay beside what other programs use."""

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from finetune.free_cores import (
    LOOK,
    NICENESS,
    SPAN,
    CpuUsage,
    FreeCores,
    busiest_core,
    look_at,
    usable_cores,
)

CORES = len(usable_cores())


class Machine:
    """Its clock goes on by hand; `others` cores are in use elsewhere, `own` here."""

    def __init__(self) -> None:
        self.usage = CpuUsage(0, 100, 10)

    def work(self, seconds: float, own: float, others: float) -> None:
        usage = self.usage
        self.usage = CpuUsage(
            usage.at + seconds,
            usage.everybody + seconds * (own + others),
            usage.own + seconds * own,
        )

    def look(self) -> CpuUsage:
        return self.usage


def settled(machine: Machine, free: FreeCores, own: float, others: float) -> int:
    for _ in range(2 * SPAN):
        machine.work(LOOK, own, others)
        free.num_threads(machine.usage.at)
    return free.num_threads(machine.usage.at)


@pytest.mark.skipif(CORES < 2, reason="there is nothing to choose on one core")
def test_threads_are_as_many_as_the_cores_that_others_leave(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    machine = Machine()
    free = FreeCores(CORES, machine.look)
    assert settled(machine, free, CORES, 0.2) == CORES
    assert caplog.text == ""
    assert settled(machine, free, CORES - 0.8, 0.8) == CORES - 1
    assert free.others == pytest.approx(0.8)
    assert "Other programs use 0.8 of" in caplog.text
    assert settled(machine, free, 0.3, CORES + 3) == 1
    assert settled(machine, free, 1, 0.1) == CORES
    assert "free again" in caplog.text


def test_it_is_never_more_than_it_was_made_for():
    machine = Machine()
    assert settled(machine, FreeCores(1, machine.look), 0, 0) == 1


def test_between_two_looks_the_answer_stays():
    machine = Machine()
    free = FreeCores(CORES, machine.look)
    before = free.num_threads(0)
    machine.work(LOOK / 2, 0, CORES)
    assert free.num_threads(machine.usage.at) == before


def test_looks_that_fail_change_nothing():
    machine = Machine()
    fails = False

    def look() -> CpuUsage:
        if fails:
            raise OSError("Too many open files")
        return machine.look()

    free = FreeCores(CORES, look)
    before = settled(machine, free, 0.5, CORES)
    fails = True
    assert settled(machine, free, CORES, 0) == before


@pytest.mark.skipif(CORES < 2, reason="there is nothing to choose on one core")
def test_what_varies_a_little_changes_nothing(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    machine = Machine()
    free = FreeCores(CORES, machine.look)
    assert settled(machine, free, CORES - 1, 0.8) == CORES - 1
    for others in (0.6, 0.75, 0.65):
        assert settled(machine, free, CORES - 1, others) == CORES - 1
    assert settled(machine, free, CORES, 0.4) == CORES
    assert len(caplog.records) == 2


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_another_process_is_seen_and_this_one_is_not():
    before = look_at(usable_cores())
    spin(0.5)
    between = look_at(usable_cores())
    assert between.own - before.own >= 0.2
    other = multiprocessing.get_context("spawn").Process(target=spin, args=(1.0,))
    other.start()
    other.join()
    after = look_at(usable_cores())
    others = after.everybody - between.everybody - (after.own - between.own)
    assert others >= 0.5


def test_a_busy_core_is_seen_whoever_works_on_it(monkeypatch: pytest.MonkeyPatch):
    hog = threading.Thread(target=spin, args=(0.5,))
    hog.start()
    assert busiest_core() > 0.5
    hog.join()
    monkeypatch.setattr(psutil, "cpu_percent", lambda **_: [7.0] * (max(usable_cores()) + 1))
    assert busiest_core() == 0.07
    monkeypatch.setattr(psutil, "cpu_percent", lambda **_: Path("/none").read_text())
    assert busiest_core() == 1


@pytest.mark.skipif(not hasattr(os, "nice"), reason="no priorities here")
def test_giving_way_happens_once_and_is_known():
    code = (
        "from finetune.free_cores import *; import os\n"
        "before = gives_way(); give_way(); give_way(); print(before, gives_way(), os.nice(0))"
    )
    command = ["nice", "-n", "0", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    usual = os.nice(0)
    expected = (usual > 0, True, usual or NICENESS)
    assert done.stdout.split() == [str(each) for each in expected]


AUTOGROUP = Path("/proc/self/autogroup")
MAY_CHANGE = sys.platform == "linux" and os.access(AUTOGROUP, os.W_OK) and os.geteuid() == 0


@pytest.mark.skipif(not MAY_CHANGE, reason="no sessions with a niceness, or not so often")
@pytest.mark.parametrize("before", [0, 3])
def test_a_session_gives_way_until_the_process_ends_unless_somebody_has_chosen(before: int):
    code = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "path = Path('/proc/self/autogroup')\n"
        "def told(): return path.read_text().split()[-1]\n"
        f"path.write_text('{before}')\n"
        "ask = ('import finetune.free_cores as f; f.let_session_give_way();'\n"
        "    'print(open(\"/proc/self/autogroup\").read().split()[-1])')\n"
        "subprocess.run([sys.executable, '-c', ask]); print(told())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True
    )
    assert [*map(int, done.stdout.split())] == [before or NICENESS, before], done.stderr
