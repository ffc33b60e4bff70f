"""What is due to be improved by itself, and that it is done in a process of its own."""

import asyncio
import json
import shutil
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from finetune.adapters.versions import end_share, find_version, share
from service.accounts.caller import ANYBODY
from service.feedback.feedback import Feedback
from service.feedback.review import Review
from service.improving.improver import Improver
from service.improving.ledger import Entry, Ledger
from service.improving.round import Round
from service.improving.schedule import WEEK, Schedule
from service.jobs.desk import Desk
from service.jobs.job import NewJob
from service.jobs.jobs import Jobs
from service.settings import ServiceSettings
from service.state.database import State, open_state
from tests.service.improving.conftest import Correct


@pytest.fixture
def own_state(trained: Path) -> Generator[State]:
    """That of the home, as the process opens it."""
    with closing(open_state(trained)) as state:
        yield state


@pytest.fixture
def schedule(trained: Path, own_state: State) -> Schedule:
    settings = ServiceSettings(home=trained, improve="weekly", improve_from=4)
    return Schedule(settings, own_state, Desk(trained).place, Improver(settings))


def test_enough_that_is_new_is_due_once_a_week(
    trained: Path, own_state: State, schedule: Schedule, correct: Correct
):
    items = correct(3)
    assert schedule.due() is None
    items += correct(1, begin=10)
    assert schedule.due() == "tcm"
    Review(own_state).decide(items[0].id, ANYBODY, "reject")
    assert schedule.due() is None
    correct(1, begin=20)
    assert schedule.due() == "tcm"
    place = Desk(trained).place
    made = Ledger(own_state, place).add(Entry(adapter="tcm", what="abstain")).created
    assert schedule.due() is None
    settings = ServiceSettings(home=trained, improve_from=4)
    later = Schedule(settings, own_state, place, Improver(settings), lambda: made + WEEK)
    assert later.due() == "tcm"
    Ledger(own_state, place).add(Entry(adapter="tcm", what="forget"))
    assert later.due() == "tcm"


def test_a_round_that_was_ended_is_due_and_a_job_goes_first(
    trained: Path, own_state: State, schedule: Schedule, correct: Correct
):
    correct(1)
    Round(trained, "tcm", 1).folder.mkdir(parents=True)
    assert schedule.due() == "tcm"
    new = NewJob(
        id="ftjob-1",
        key_id="",
        place=Desk(trained).place,
        model="base",
        name="tcm",
        training_file="a.txt",
        run="runs/1",
        options={},
        seed=1,
    )
    Jobs(own_state).add(new, status="running")
    assert schedule.due() is None


def test_nothing_is_due_while_a_version_has_a_share(
    trained: Path, schedule: Schedule, correct: Correct
):
    correct(5)
    adapters = trained / "adapters"
    shutil.copytree(adapters / "tcm" / "1", adapters / "tcm" / "2")
    share(adapters, find_version(adapters, "tcm@2"), 10)
    assert schedule.due() is None
    end_share(adapters, "tcm")
    assert schedule.due() == "tcm"


@pytest.mark.slow
def test_it_is_done_in_a_process_of_its_own(trained: Path, own_state: State, correct: Correct):
    correct(40)
    improver = Improver(ServiceSettings(home=trained, improve_share=10))
    assert asyncio.run(improver.improve("tcm")) == 0
    entries = Ledger(own_state, Desk(trained).place).entries("tcm")
    assert [entry.round for entry in entries] == [1], improver.said("tcm")
    job = Jobs(own_state).newest(limit=1)[0]
    assert (job.status, job.version) == ("succeeded", "tcm@2")
    assert entries[0].what in ("share", "refuse", "abstain")  # random weights: no processor's alike
    expected = "in_training" if entries[0].what == "share" else "accepted"
    assert {item.state for item in Feedback(own_state).page(ANYBODY)} == {expected}
    assert json.loads((trained / "improving" / "tcm" / "1" / "set.json").read_text())["parent"]
