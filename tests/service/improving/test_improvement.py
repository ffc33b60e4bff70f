"""A round of improvement on a tiny base: what is trained, what is decided, what is left."""

from pathlib import Path
from random import Random

import pytest

from data.reading.reader import read_conversations
from finetune.adapters.versions import list_versions, promoted_version
from finetune.training.observer import Silent
from service.accounts.caller import ANYBODY
from service.feedback.feedback import Feedback
from service.feedback.item import State as ReviewState
from service.improving.ledger import Ledger
from service.improving.round import Round
from service.jobs.desk import Desk
from service.state.database import State
from tests.service.improving.conftest import Correct, Improve, right, wrong

MIXED_UP = Random(1).sample(range(40), k=40)


def mixed_up(number: int) -> str:
    return right(MIXED_UP[number])


def states(state: State) -> set[ReviewState]:
    return {item.state for item in Feedback(state).page(ANYBODY)}


def what(state: State, home: Path) -> list[str]:
    return [entry.what for entry in Ledger(state, Desk(home).place).entries("tcm")]


def test_what_is_better_answers_from_now_on(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    items = correct(40)
    outcome = improve().execute()
    assert outcome.decision.outcome == "promote", outcome.decision.reasons
    assert (outcome.num_trained, outcome.num_held_out) == (26, 14)
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
    answers = {each.messages[-1].content for each in read_conversations(current.held_out)[:14]}
    assert answers <= {right(number) for number in range(40)}
    before = {each.messages[-1].content for each in current.held_out_before(14)}
    assert before
    assert before <= {wrong(number) for number in range(100, 140)}


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


def test_what_does_not_fit_its_question_is_refused_and_waits(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40, answer=mixed_up)
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


def test_a_person_may_override(trained: Path, own_state: State, improve: Improve, correct: Correct):
    correct(40, answer=mixed_up)
    improve().execute()
    assert str(improve().override("We checked it by hand.")) == "tcm@2"
    assert promoted_version(trained / "adapters", "tcm") == "2"
    assert what(own_state, trained) == ["override", "refuse"]
    assert states(own_state) == {"shipped"}


def test_a_critical_question_that_is_answered_as_before_refuses(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40)
    correct(1, begin=50, answer=lambda _: "Call 112 at once, please!", critical=True)
    outcome = improve().execute()
    assert outcome.decision.outcome == "refuse"
    assert "critical question" in outcome.decision.reasons[0]


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
def test_a_round_that_is_ended_anywhere_goes_on(
    trained: Path, own_state: State, improve: Improve, correct: Correct
):
    correct(40)
    stage, outcome = 0, None
    while outcome is None:
        try:
            outcome = improve(Killer(stage)).execute()
        except Killed:
            stage += 1
        assert promoted_version(trained / "adapters", "tcm") in ("1", "2")
        assert stage < 40
    assert stage > 5
    assert outcome.decision.outcome == "promote"
    assert list_versions(trained / "adapters", "tcm") == ["1", "2"]
    assert what(own_state, trained) == ["promote"]
    assert states(own_state) == {"shipped"}
