"""A promoted version that people rate worse goes back by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.adapters.versions import find_version, promote, promoted_version, share, share_of
from service.accounts.caller import ANYBODY
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.importing import Brought
from service.feedback.item import FeedbackItem, Opinion
from service.improving.ledger import Entry, Ledger
from service.improving.moves import Moves
from service.improving.ratings import Ratings, RatingsWatch
from service.state.database import STATE_FILE, State, open_state
from tests.service.feedback.test_stores import answer

Rate = Callable[..., FeedbackItem]


@pytest.fixture
def adapters(tmp_path: Path, add_adapter: Any) -> Path:
    for version in ("1", "2"):
        folder: Path = add_adapter("tcm", version)
    return folder.parent.parent


@pytest.fixture
def watch(state: State, adapters: Path) -> RatingsWatch:
    promote(adapters, "tcm", "2")
    entry = Entry(adapter="tcm", what="promote", round=1, before="tcm@1", after="tcm@2")
    Ledger(state, "here").add(entry)
    return RatingsWatch(state, "here", adapters.parent)


@pytest.fixture
def rate(state: State) -> Rate:
    made = 0

    def give(pinned: str, good: int, bad: int, **fields: Any) -> FeedbackItem:
        nonlocal made
        items: list[FeedbackItem] = []
        for rating in [1] * good + [-1] * bad:
            made += 1
            stored = answer(made, pinned=pinned, **fields)
            Answers(state).add(stored)
            items.append(Feedback(state).give(stored, 0, Opinion(rating=rating)))
        return items[-1]

    return give


def test_the_interval_is_wilsons():
    assert Ratings(0, 10).highest == pytest.approx(0.2775, abs=1e-4)  # Brown, Cai, DasGupta 2001
    assert Ratings(5, 10).highest == pytest.approx(0.7634, abs=1e-4)


def test_a_version_that_is_rated_worse_is_rolled_back(
    state: State, watch: RatingsWatch, rate: Rate, adapters: Path
):
    Ledger(state, "here").add(Entry(adapter="tcm", what="abstain", before="tcm@2"))
    rate("tcm@1:1", 9, 1)
    rate("tcm@2:1", 5, 4)
    assert watch.look("tcm") is None  # nine are too few
    watch.after(rate("tcm@2:1", 0, 1))
    assert promoted_version(adapters, "tcm") == "1"
    entry = Ledger(state, "here").entries("tcm")[0]
    assert (entry.what, entry.who, entry.before, entry.after) == (
        "rollback",
        "ratings",
        "tcm@2",
        "tcm@1",
    )
    assert "5 of 10" in entry.told["reasons"][0]
    watch.after(rate("tcm@2:1", 0, 5))
    assert len(Ledger(state, "here").entries("tcm")) == 3


@pytest.mark.parametrize("bad", [0, 1, 4])
def test_a_little_worse_may_be_chance(watch: RatingsWatch, rate: Rate, adapters: Path, bad: int):
    rate("tcm@1:1", 9, 1)
    watch.after(rate("tcm@2:1", 10 - bad, bad))
    assert promoted_version(adapters, "tcm") == "2"


def test_what_does_not_count(state: State, watch: RatingsWatch, rate: Rate, adapters: Path):
    """Ratings of another home, of blends, of a version whose number only begins alike."""
    rate("tcm@1:1", 10, 0)
    rate("tcm@2:1", 0, 20, place="there")
    rate("tcm@2:0.5+style@1:1", 0, 20)
    brought = Brought("line 1", [{"role": "user", "content": "?"}], "x", rating=-1)
    Feedback(state).bring(brought, "here", "tcm@2:1")
    watch.after(rate("tcm@21:1", 0, 20))
    assert watch.ratings("tcm@2").count == 0
    assert promoted_version(adapters, "tcm") == "2"


def test_what_a_person_chose_stays(watch: RatingsWatch, rate: Rate, adapters: Path):
    rate("tcm@1:1", 0, 10)
    promote(adapters, "tcm", "1")
    watch.after(rate("tcm@1:1", 0, 10))
    rate("tcm@2:1", 10, 0)
    assert watch.look("tcm") is None
    assert promoted_version(adapters, "tcm") == "1"


def test_one_answer_counts_once(state: State, watch: RatingsWatch, rate: Rate):
    item = rate("tcm@2:1", 0, 1)
    stored = Answers(state).find(item.completion_id, ANYBODY)
    for rating in (1, -1, 1):
        Feedback(state).give(stored, 0, Opinion(rating=rating))
    assert watch.ratings("tcm@2") == Ratings(1, 1)


@pytest.fixture
def sharing(state: State, adapters: Path) -> RatingsWatch:
    promote(adapters, "tcm", "1")
    share(adapters, find_version(adapters, "tcm@2"), 10)
    entry = Entry(adapter="tcm", what="share", round=1, before="tcm@1", after="tcm@2")
    Ledger(state, "here").add(entry)
    return RatingsWatch(state, "here", adapters.parent)


def test_a_share_that_is_not_worse_becomes_all(
    state: State, sharing: RatingsWatch, rate: Rate, adapters: Path
):
    rate("tcm@1:1", 8, 2)
    sharing.after(rate("tcm@2:1", 8, 1))
    assert promoted_version(adapters, "tcm") == "1"
    sharing.after(rate("tcm@2:1", 1, 0))
    assert promoted_version(adapters, "tcm") == "2"
    entry = Ledger(state, "here").entries("tcm")[0]
    assert (entry.what, entry.who, entry.before, entry.after) == (
        "promote",
        "ratings",
        "tcm@1",
        "tcm@2",
    )
    sharing.after(rate("tcm@2:1", 0, 10))  # it is watched further on
    assert promoted_version(adapters, "tcm") == "1"


def test_a_share_that_is_worse_ends(
    state: State, sharing: RatingsWatch, rate: Rate, adapters: Path
):
    rate("tcm@1:1", 9, 1)
    sharing.after(rate("tcm@2:1", 5, 5))
    assert (promoted_version(adapters, "tcm"), share_of(adapters, "tcm")) == ("1", None)
    entry = Ledger(state, "here").entries("tcm")[0]
    assert (entry.what, entry.before, entry.after) == ("rollback", "tcm@2", "tcm@1")


def test_what_the_ledger_cannot_take_is_moved_all_the_same(
    tmp_path: Path, adapters: Path, caplog: pytest.LogCaptureFixture
):
    state = open_state(tmp_path)
    state.close()
    (tmp_path / STATE_FILE).unlink()
    (tmp_path / STATE_FILE).mkdir()
    with Moves(state, "here", adapters.parent).by_person("tcm"):
        promote(adapters, "tcm", "1")
    assert promoted_version(adapters, "tcm") == "1"
    assert "The ledger does not know that tcm means tcm@1" in caplog.text


def test_a_share_that_a_person_ended_is_nothing_to_decide(
    state: State, sharing: RatingsWatch, rate: Rate, adapters: Path
):
    promote(adapters, "tcm", "1")
    rate("tcm@1:1", 10, 0)
    sharing.after(rate("tcm@2:1", 0, 10))
    assert [entry.what for entry in Ledger(state, "here").entries("tcm")] == ["share"]
