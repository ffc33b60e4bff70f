"""A round of improvement on a tiny base: what is trained, what is decided, what is left."""

from pathlib import Path

import pytest
from sqlalchemy import update

from data.reading.reader import read_conversations
from finetune.adapters.share import Share
from finetune.adapters.versions import end_share, list_versions, promote, promoted_version, share_of
from finetune.errors import AdapterInvalid
from finetune.improving.training_set import MEASURING_FILE
from finetune.training.observer import Silent
from service.accounts.caller import ANYBODY
from service.errors import JobRefused
from service.feedback.feedback import Feedback
from service.feedback.item import State as ReviewState
from service.feedback.review import Review
from service.improving.improvement import Improvement
from service.improving.ledger import Ledger
from service.improving.moves import Moves
from service.improving.overriding import override
from service.improving.round import Round, alone
from service.jobs.desk import Desk
from service.state.database import State
from service.state.tables import FEEDBACK
from tests.service.improving.conftest import Correct, Improve, right, wrong


def states(state: State) -> set[ReviewState]:
    return {item.state for item in Feedback(state).page(ANYBODY)}


def what(state: State, home: Path) -> list[str]:
    return [entry.what for entry in Ledger(state, Desk(home).place).entries("tcm")]


@pytest.mark.usefixtures("promoting")
def test_what_is_better_answers_from_now_on(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    items = correct(40)
    outcome = improve().execute()
    assert outcome.decision.outcome == "promote", outcome.decision.reasons
    sides = [*Round(trained, "tcm", 1).sides().values()]
    assert (sides.count("trained"), sides.count("held_out")) == (26, 14)
    assert promoted_version(trained / "adapters", "tcm") == "2"
    entry = Ledger(own_state, Desk(trained).place).entries("tcm")[0]
    assert (entry.what, entry.before, entry.after, entry.who) == (
        "promote",
        "tcm@1",
        "tcm@2",
        "key_anna",
    )
    shipped = [Feedback(own_state).find(each.id, ANYBODY) for each in items]
    assert {(each.state, each.version) for each in shipped} == {("shipped", "tcm@2")}
    current = Round(trained, "tcm", 1)
    assert (current.report / "report.html").is_file()
    learned = [each for each in read_conversations(current.trained) if each.rejected]
    assert {each.rejected[0].content for each in learned} <= {wrong(n) for n in range(40)}
    assert len(learned) == 26
    measuring = read_conversations(current.folder / MEASURING_FILE)
    assert len(measuring) == 14
    assert {each.messages[-1].content for each in measuring} <= {right(n) for n in range(40)}
    before = {each.messages[-1].content for each in current.held_out_before()}
    assert before
    assert before <= {wrong(number) for number in range(100, 140)}


def test_a_wrong_answer_that_is_too_long_is_left_out(
    trained: Path, improve: Improve, correct: Correct
):
    correct(6, given=lambda number: f"{number}" * 2000)
    correct(6, begin=20)
    plan = improve().plan()
    assert plan.num_unusable == 0
    assert [bool(each.right.rejected) for each in plan.corrections] == [False] * 6 + [True] * 6


def test_few_abstain_before_anything_is_trained(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(5)
    for _ in range(2):  # said once
        outcome = improve().execute()
        assert (outcome.decision.outcome, outcome.decision.needed) == ("abstain", 16)
    assert list_versions(trained / "adapters", "tcm") == ["1"]
    assert what(own_state, trained) == ["abstain"]
    assert states(own_state) == {"accepted"}
    assert not (trained / "improving" / "tcm").exists()


@pytest.mark.usefixtures("refusing")
def test_what_is_refused_waits(trained: Path, own_state: State, improve: Improve, correct: Correct):
    correct(40)
    outcome = improve().execute()
    assert outcome.decision.outcome == "refuse", outcome.decision
    assert promoted_version(trained / "adapters", "tcm") == "1"
    assert list_versions(trained / "adapters", "tcm") == ["1", "2"]  # kept, and not promoted
    assert states(own_state) == {"accepted"}
    sides = {item.id: item.side for item in Feedback(own_state).page(ANYBODY)}
    assert set(sides.values()) == {"trained", "held_out"}
    correct(1, begin=60)
    again = improve().plan()
    assert {key: again.sides[key] for key in sides} == sides


@pytest.mark.usefixtures("promoting")
def test_the_same_again_is_not_trained_again(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40)
    improve().execute()
    outcome = improve().execute()
    assert outcome.decision.reasons == ("Nothing was accepted since the last round.",)
    assert list_versions(trained / "adapters", "tcm") == ["1", "2"]
    assert what(own_state, trained) == ["abstain", "promote"]


def test_what_is_no_longer_accepted_is_not_trained(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    items = correct(40)
    with pytest.raises(Killed):
        improve(Killer(2)).execute()
    assert Round(trained, "tcm", 1).is_frozen
    with own_state.begin() as connection:  # ended before they were marked
        connection.execute(update(FEEDBACK).values(state="accepted", side=None))
    Review(own_state).decide(items[0].id, ANYBODY, "reject")
    outcome = improve().execute()
    assert outcome.round is not None
    assert items[0].id not in outcome.round.sides()
    assert Feedback(own_state).find(items[0].id, ANYBODY).state == "rejected"


def test_one_at_a_time(trained: Path, improve: Improve):
    with alone(trained, "tcm"), pytest.raises(JobRefused, match="being improved"):
        improve().execute()


def test_a_version_is_no_adapter(improve: Improve, trained: Path, own_state: State):
    with pytest.raises(AdapterInvalid, match="Name the adapter: tcm"):
        Improvement(trained, own_state, "", "tcm@1", Silent())
    with pytest.raises(AdapterInvalid, match="Name the adapter: tcm"):
        override(trained, own_state, "", "tcm@1", "Because.")


@pytest.mark.usefixtures("refusing")
def test_a_person_may_override(trained: Path, own_state: State, improve: Improve, correct: Correct):
    correct(40)
    improve().execute()
    place = Desk(trained).place
    with pytest.raises(JobRefused, match="The newest candidate is tcm@2: look at"):
        override(trained, own_state, place, "tcm", "We checked another one.", version="1")
    promoted = override(trained, own_state, place, "tcm", "We checked it by hand.", version="2")
    assert str(promoted) == "tcm@2"
    assert promoted_version(trained / "adapters", "tcm") == "2"
    assert what(own_state, trained) == ["override", "refuse"]
    assert states(own_state) == {"shipped"}


@pytest.mark.usefixtures("promoting")
def test_a_round_whose_version_was_removed_begins_anew(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40)
    with pytest.raises(Killed):
        improve(Killer(4)).execute()
    assert Round(trained, "tcm", 1).is_frozen
    set_file = Round(trained, "tcm", 1).folder / "set.json"
    set_file.write_text(set_file.read_text("utf-8").replace("tcm@1", "tcm@7"), "utf-8")
    outcome = improve().execute()
    assert (str(outcome.served), str(outcome.candidate)) == ("tcm@1", "tcm@2")
    assert states(own_state) == {"shipped"}


@pytest.mark.usefixtures("promoting")
def test_what_is_better_may_have_a_share_first(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40)
    adapters, place = trained / "adapters", Desk(trained).place
    outcome = improve(share=10).execute()
    assert (outcome.decision.outcome, outcome.is_shared) == ("promote", True)
    assert promoted_version(adapters, "tcm") == "1"
    assert share_of(adapters, "tcm") == Share("2", "1", 10)
    assert states(own_state) == {"in_training"}
    entry = Ledger(own_state, place).entries("tcm")[0]
    assert (entry.what, entry.before, entry.after) == ("share", "tcm@1", "tcm@2")
    assert entry.told["percent"] == 10
    with pytest.raises(JobRefused, match="answers 10 percent of the requests"):
        improve().execute()
    moves = Moves(own_state, place, trained)
    with moves.by_person("tcm", "key_anna"):
        promote(adapters, "tcm", "2")
    assert what(own_state, trained) == ["moved", "share"]
    assert states(own_state) == {"shipped"}
    with moves.by_person("tcm"):
        pass
    assert len(what(own_state, trained)) == 2


@pytest.mark.usefixtures("promoting")
def test_what_was_in_a_share_that_ended_waits(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40)
    improve(share=10).execute()
    with Moves(own_state, Desk(trained).place, trained).by_person("tcm"):
        end_share(trained / "adapters", "tcm")
    assert what(own_state, trained) == ["moved", "share"]
    assert states(own_state) == {"accepted"}


class Killed(Exception):
    pass


class Killer(Silent):
    """Ends the round at the n-th stage that is told."""

    def __init__(self, stage: int) -> None:
        self.left = stage

    def on_stage(self, text: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed(text)


@pytest.mark.slow
@pytest.mark.usefixtures("promoting")
@pytest.mark.parametrize("percent", [None, 10], ids=["for_all", "for_some"])
def test_a_round_that_is_ended_anywhere_goes_on(
    trained: Path, own_state: State, improve: Improve, correct: Correct, percent: int | None
):
    correct(40)
    stage, outcome = 0, None
    while outcome is None:
        try:
            outcome = improve(Killer(stage), percent).execute()
        except Killed:
            stage += 1
        assert promoted_version(trained / "adapters", "tcm") in ("1", "2")
        assert stage < 40
    assert stage > 5
    assert outcome.decision.outcome == "promote"
    assert list_versions(trained / "adapters", "tcm") == ["1", "2"]
    assert what(own_state, trained) == ["share" if percent else "promote"]
    assert states(own_state) == {"in_training" if percent else "shipped"}
