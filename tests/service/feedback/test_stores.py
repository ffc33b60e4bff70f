"""Stored answers and feedback in each kind of database."""

from typing import Any

import pytest

from service.accounts.caller import ANYBODY, Caller
from service.accounts.keys import DAY
from service.errors import AnswerNotFound, FeedbackNotFound
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import Opinion
from service.feedback.stored_answer import StoredAnswer
from service.state.database import State

NOW = 1_764_406_000.0  # [Unix seconds]


def answer(number: int, **fields: Any) -> StoredAnswer:
    message = {"role": "assistant", "content": "多喝水\0。"}
    given: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "key_id": "key_anna",
        "place": "here",
        "created": int(NOW),
        "model": "tcm",
        "pinned": "tcm@1:1",
        "base": "base",
        "template": "",
        "user": "patient-17",
        "messages": [{"role": "user", "content": "失眠\0怎么办？"}],
        "asked": {},
        "sampling": {"seed": None},
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return StoredAnswer(**given | fields)


def test_an_answer_comes_back_as_it_was_kept(state: State):
    answers = Answers(state)
    kept = answer(1, metadata={"病房": "三"})
    answers.add(kept)
    answers.add(answer(2))
    assert answers.find("chatcmpl-1", ANYBODY) == kept
    assert [each.id for each in answers.page(ANYBODY, metadata={"病房": "三"})] == ["chatcmpl-1"]
    assert [each.id for each in answers.page(ANYBODY, without_metadata=True)] == ["chatcmpl-2"]
    assert answers.page(ANYBODY, model="tcm@1:1", order="desc")[1] == kept
    assert answers.page(ANYBODY, model="\0") == []
    assert answers.mark("chatcmpl-1", ANYBODY, None).metadata is None
    assert len(answers.page(ANYBODY, without_metadata=True)) == 2


def test_what_is_too_old_goes_from_its_own_home_alone(state: State):
    own = Answers(state, "here", 7, lambda: NOW + 8 * DAY)
    own.add(answer(1))
    own.add(answer(2, place="there"))
    assert [each.id for each in own.page(ANYBODY)] == ["chatcmpl-2"]
    assert (own.sweep(), own.sweep()) == (1, 0)
    assert [each.id for each in Answers(state).page(ANYBODY)] == ["chatcmpl-2"]


def test_feedback_is_given_changed_and_forgotten(state: State):
    answers, feedback, ben = Answers(state), Feedback(state), Caller("key_ben", scopes=frozenset())
    kept = answer(1)
    answers.add(kept)
    item = feedback.give(kept, 0, Opinion(rating=-1, reasons=["剂量不对"]))
    assert feedback.find(item.id, ANYBODY) == item
    assert feedback.page(ANYBODY, rating=-1, completion_id=kept.id, model="tcm") == [item]
    assert feedback.page(ben) == []
    changed = feedback.change(item.id, ANYBODY, {"critical": True, "correction": "早睡。"})
    assert (changed.critical, changed.correction, changed.rating) == (True, "早睡。", -1)
    with pytest.raises(FeedbackNotFound):
        feedback.remove(item.id, ben)
    answers.remove(kept.id, ANYBODY)
    assert feedback.page(ANYBODY) == []
    with pytest.raises(AnswerNotFound):
        feedback.give(kept, 0, Opinion(rating=1))


def test_feedback_is_found_by_who_has_answered(state: State):
    pinned = ("tcm@1:1", "tcm@2:0.5", "tcm@1:1+style@1:1", "TCM@1:1", "tcm-2@1:1", "base")
    for number, each in enumerate(pinned):
        Answers(state).add(stored := answer(number, pinned=each))
        Feedback(state).give(stored, 0, Opinion(rating=1))

    def of(adapter: str) -> list[str]:
        return [each.pinned for each in Feedback(state).page(ANYBODY, adapter=adapter, order="asc")]

    assert of("tcm") == [*pinned[:2]]
    assert of("tcm@1") == ["tcm@1:1"]
    assert of("tcm@1:1+style@1:1") == ["tcm@1:1+style@1:1"]
    assert of("base") == ["base"]
    assert of("t_m") == of("%") == []
