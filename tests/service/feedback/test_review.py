"""What a reviewer decides, in each kind of database."""

from typing import Any

import pytest

from service.accounts.caller import ANYBODY, Caller
from service.errors import FeedbackNotFound, InvalidRequest
from service.feedback.answers import Answers
from service.feedback.faults import faults_of, personal_in
from service.feedback.feedback import Feedback
from service.feedback.item import FeedbackItem, Opinion
from service.feedback.review import Review
from service.state.database import State
from tests.service.feedback.test_stores import NOW, answer

CORRECTION = "少喝咖啡，早睡。"


def given(state: State, number: int, opinion: Opinion, **fields: Any) -> FeedbackItem:
    stored = answer(number, **fields)
    Answers(state).add(stored)
    return Feedback(state).give(stored, 0, opinion)


@pytest.fixture
def review(state: State) -> Review:
    return Review(state, clock=lambda: NOW)


def test_a_correction_is_accepted_rejected_and_reopened(state: State, review: Review):
    item = given(state, 1, Opinion(rating=-1, correction=CORRECTION))
    ben = Caller("key_ben")
    accepted = review.decide(item.id, ben, "accept", critical=True)
    assert (accepted.state, accepted.reviewer, accepted.reviewed) == ("accepted", "key_ben", NOW)
    assert (accepted.right_answer, accepted.critical) == (CORRECTION, True)
    edited = review.decide(item.id, ANYBODY, "accept", "早睡。")
    assert (edited.state, edited.right_answer, edited.reviewer) == ("edited", "早睡。", "")
    rejected = review.decide(item.id, ANYBODY, "reject")
    assert (rejected.state, rejected.right_answer) == ("rejected", CORRECTION)
    opened = review.decide(item.id, ANYBODY, "reopen", critical=False)
    assert opened == item
    assert Feedback(state).page(ANYBODY, state="new") == [item]


def test_whoever_says_otherwise_is_reviewed_again(state: State, review: Review):
    item = given(state, 1, Opinion(rating=-1, correction=CORRECTION))
    review.decide(item.id, ANYBODY, "accept", "早睡。")
    changed = Feedback(state).change(item.id, ANYBODY, {"correction": "多走路。"})
    assert (changed.state, changed.edited, changed.reviewer) == ("new", None, None)


def test_there_has_to_be_a_right_answer(state: State, review: Review):
    bad = given(state, 1, Opinion(rating=-1))
    with pytest.raises(InvalidRequest, match="write it") as raised:
        review.decide(bad.id, ANYBODY, "accept")
    assert raised.value.param == "answer"
    assert review.decide(bad.id, ANYBODY, "accept", CORRECTION).right_answer == CORRECTION
    good = given(state, 2, Opinion(rating=1))
    assert review.decide(good.id, ANYBODY, "accept").right_answer == "多喝水\0。"
    with pytest.raises(InvalidRequest, match="accept alone"):
        review.decide(good.id, ANYBODY, "reject", CORRECTION)


def test_half_an_answer_is_never_trained_on(state: State, review: Review):
    begun = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "多"}]
    item = given(state, 1, Opinion(correction="喝水。"), messages=begun)
    with pytest.raises(InvalidRequest, match="go on with an answer"):
        review.decide(item.id, ANYBODY, "accept")


def test_only_what_a_caller_sees_is_decided(state: State, review: Review):
    item = given(state, 1, Opinion(rating=1))
    with pytest.raises(FeedbackNotFound):
        review.decide(item.id, Caller("key_ben", scopes=frozenset()), "accept")


def test_two_corrections_of_one_question_are_named(state: State, review: Review):
    asked = [{"role": "user", "content": "失眠怎么办？"}]
    first = given(state, 1, Opinion(correction=CORRECTION), messages=asked)
    review.decide(first.id, ANYBODY, "accept")
    alike = [
        {"role": "system", "content": "你是中医。"},
        {"role": "user", "content": "失眠 怎么办"},
    ]
    second = given(state, 2, Opinion(correction="多走路。"), messages=alike)
    same = given(state, 3, Opinion(correction=CORRECTION), messages=asked)
    third = given(state, 4, Opinion(correction="x"), messages=[{"role": "user", "content": "头疼"}])
    elsewhere = given(state, 5, Opinion(correction="多走路。"), messages=asked, place="there")
    found = review.rivals([first, second, same, third, elsewhere], ANYBODY)
    assert found == {second.id: [first.id]}
    ben = Caller("key_ben", scopes=frozenset())
    assert review.rivals([second], ben) == {}


@pytest.mark.parametrize(
    ("text", "reason", "fault"),
    [
        ("多喝水。", "stop", None),
        ("多喝水", "length", "unended"),
        ("胃" * 40, "stop", "repeating"),
        ("Drink more water.", "stop", "other_language"),
        (" …", "stop", "empty"),
    ],
)
def test_what_is_plainly_wrong_is_found_by_rule(
    state: State, text: str, reason: str, fault: str | None
):
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    item = given(state, 1, Opinion(rating=-1), choices=choices)
    assert faults_of(item) == ([fault] if fault else [])
    assert faults_of(item, has_rivals=True)[-1] == "contradicts"


@pytest.mark.parametrize(
    ("text", "correction", "faults"),
    [
        ("多喝水。", "早睡。仅供参考，不是医嘱", ["no_disclaimer"]),
        ("多喝水。仅供参考,不是医嘱", "早睡。仅供参考，不是医嘱", []),
        ("多喝水。", "早睡。", []),
        ("多喝水。", None, []),
    ],
)
def test_a_disclaimer_that_is_in_the_correction_alone_is_missing(
    state: State, text: str, correction: str | None, faults: list[str]
):
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    item = given(state, 1, Opinion(rating=-1, correction=correction), choices=choices)
    assert faults_of(item, disclaimers=["仅供参考，不是医嘱。"]) == faults
    assert faults_of(item) == []


def test_personal_data_in_what_would_be_trained_is_named(state: State):
    item = given(state, 1, Opinion(correction="请打 13812345678。"))
    assert personal_in(item) == ["phone number"]
