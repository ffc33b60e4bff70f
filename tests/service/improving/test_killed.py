"""A round whose process is killed at whatever it has just made: the next one ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from finetune.adapters.versions import find_version, list_versions, promoted_version
from service.accounts.caller import ANYBODY
from service.feedback.feedback import Feedback
from service.improving.ledger import Ledger
from service.improving.round import Round
from service.jobs.desk import Desk
from service.state.database import State, open_state
from serving.verification import Subject, verify
from tests.service.improving.conftest import Correct

MADE = (
    "improving/tcm/1",
    "runs/tcm-round-1",
    "adapters/tcm/2",
    "improving/tcm/1.report",
    "improving/tcm/1.decision",
)
LONG = 120.0  # [seconds]


@pytest.fixture
def own_state(trained: Path) -> Generator[State]:
    """That of the home, as the process opens it."""
    with closing(open_state(trained)) as state:
        yield state


def start(home: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "service.cli", "improve", "tcm", "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at(home: Path, made: Path) -> int:
    """Kill an improvement at once when something has appeared; returns its exit code."""
    process, end = start(home), time.monotonic() + LONG
    while not made.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    return process.returncode


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_killed_at_each_thing_that_it_makes(trained: Path, own_state: State, correct: Correct):
    correct(40)
    adapters = trained / "adapters"
    for made in MADE:
        assert kill_at(trained, trained / made) == -signal.SIGKILL, made
        assert promoted_version(adapters, "tcm") in ("1", "2")
        assert list_versions(adapters, "tcm") in (["1"], ["1", "2"])
    process = start(trained)
    told = process.communicate(timeout=LONG)[1]
    assert process.returncode == 0, told.decode()
    assert list_versions(adapters, "tcm") == ["1", "2"]
    for version in ("tcm@1", "tcm@2"):
        checks = verify(Subject(find_version(adapters, version), None, trained))
        assert all(each.passed is not False for each in checks), checks
    kept = Ledger(own_state, Desk(trained).place)
    (entry,) = kept.entries("tcm")
    assert (entry.round, entry.after) == (1, "tcm@2")
    assert kept.first_changed() is None
    assert promoted_version(adapters, "tcm") == ("2" if entry.what == "promote" else "1")
    expected = "shipped" if entry.what == "promote" else "accepted"
    assert {item.state for item in Feedback(own_state).page(ANYBODY)} == {expected}
    leftover = [path for path in trained.rglob(".*") if path.name.startswith((".new-", ".removed"))]
    assert leftover == []
    assert Round(trained, "tcm", 1).frozen().parent == "tcm@1"
