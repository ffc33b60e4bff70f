"""What somebody wants forgotten is nowhere afterwards, and what it has made is named."""

import json
from pathlib import Path

import pytest

from finetune.improving.training_set import read_set
from service.accounts.caller import ANYBODY
from service.errors import JobRefused
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import Opinion
from service.improving.effects import Effects
from service.improving.forgetting import Forgetting
from service.improving.ledger import Ledger
from service.improving.round import Round, alone
from service.jobs.desk import Desk
from service.state.database import State
from tests.service.feedback.test_stores import answer
from tests.service.improving.conftest import Correct, Improve, right

SECRET = "曼陀罗根四七一一"


@pytest.mark.parametrize("by", ["key", "user"])
def test_a_person_is_forgotten_and_nobody_else(state: State, tmp_path: Path, by: str):
    answers, feedback = Answers(state), Feedback(state)
    for each in (answer(1), answer(2, key_id="key_ben", user="patient-18")):
        answers.add(each)
        feedback.give(each, 0, Opinion(rating=1))
    forgetting = Forgetting(state, tmp_path)
    gone = forgetting.of_key("key_anna") if by == "key" else forgetting.of_user("patient-17")
    assert (gone.answers, gone.feedback) == (1, 1)
    assert [each.completion_id for each in feedback.page(ANYBODY)] == ["chatcmpl-2"]
    assert [each.id for each in answers.page(ANYBODY)] == ["chatcmpl-2"]


def secretly(number: int) -> str:
    """Two of them tell something: one is trained, one is held out."""
    return f"{right(number)}{SECRET if number < 2 else ''}"


def files_with(home: Path, text: str) -> list[Path]:
    """JSON may have written it in ASCII."""
    forms = text.encode(), json.dumps(text)[1:-1].encode()
    files = (path for path in home.rglob("*") if path.is_file())
    return [path for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.fixture
def improved(promoting: None, trained: Path, improve: Improve, correct: Correct) -> Path:
    correct(40, answer=secretly)
    improve().execute()
    assert len(files_with(trained, SECRET)) >= 2
    return trained


def test_nothing_of_it_is_left_in_the_home(improved: Path, own_state: State, improve: Improve):
    forgetting = Forgetting(own_state, improved)
    assert forgetting.of_user("patient-0", "key_head").versions == ["tcm@2"]
    assert forgetting.of_user("patient-1").feedback == 1
    own_state.close()  # what a server keeps open is cut when it ends
    assert files_with(improved, SECRET) == []
    assert len(read_set(Round(improved, "tcm", 1).folder).removed) == 2
    entries = Ledger(own_state, Desk(improved).place).entries("tcm", limit=2)
    assert [entry.what for entry in entries] == ["forget", "forget"]
    assert (entries[1].who, entries[1].after) == ("key_head", "tcm@2")
    assert dict(entries[0].told) == {"rounds": [1], "versions": ["tcm@2"]}
    plan = improve().plan()
    assert len(plan.corrections) == 38
    assert not [row for row in plan.made.trained if SECRET in row.messages[-1].content]


def test_nothing_goes_while_it_is_being_trained(improved: Path, own_state: State):
    with alone(improved, "tcm"), pytest.raises(JobRefused):
        Forgetting(own_state, improved).of_user("patient-1")
    assert len(Feedback(own_state).page(ANYBODY)) == 40


def test_one_item_is_taken_out_before_it_is_removed(improved: Path, own_state: State):
    effects = Effects(own_state, Desk(improved).place, improved)
    items = {item.completion_id: item for item in Feedback(own_state).page(ANYBODY)}
    with effects.removing(items["chatcmpl-0"], ""), effects.removing_answer("chatcmpl-77", ""):
        pass
    with effects.removing_answer("chatcmpl-1", ""):
        pass
    assert len(read_set(Round(improved, "tcm", 1).folder).removed) == 2
    assert not [each for each in files_with(improved, SECRET) if "improving" in each.parts]


def test_what_was_said_without_a_database_has_no_effect(tmp_path: Path):
    with Effects(None, "", tmp_path).removing_answer("chatcmpl-1", ""):
        pass
