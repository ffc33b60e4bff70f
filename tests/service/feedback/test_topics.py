"""Feedback by topic: what is counted, of which versions, and for whom."""

from pathlib import Path
from typing import Any

import pytest

from service.accounts.caller import ANYBODY, Caller
from service.accounts.keys import DAY
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import Opinion
from service.feedback.topics import Overview, Tally, Topics, Wrong
from service.state.database import State
from tests.service.feedback.test_stores import NOW, answer

SLEEP = ("失眠怎么办？", "夜里失眠，吃点什么？", "失眠多梦")
BOWELS = ("便秘怎么办？", "老人便秘怎么调？")
BAD, GOOD = Opinion(rating=-1), Opinion(rating=1)


class Desk:
    """Gives feedback on new answers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._count = 0

    def say(
        self,
        question: str,
        *opinions: Opinion,
        days_ago: float = 0,
        text: str = "早睡。",
        **fields: Any,
    ) -> None:
        self._count += 1
        message = {"role": "assistant", "content": text}
        given: dict[str, Any] = {
            "place": "",
            "messages": [{"role": "user", "content": question}],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        stored = answer(self._count, **given | fields)
        Answers(self._state).add(stored)
        feedback = Feedback(self._state, clock=lambda: NOW - days_ago * DAY)
        for each in opinions:
            feedback.give(stored, 0, each)


@pytest.fixture
def desk(state: State) -> Desk:
    return Desk(state)


@pytest.fixture
def topics(state: State, tmp_path: Path) -> Topics:
    return Topics(state, tmp_path, "", clock=lambda: NOW)


def shown(overview: Overview) -> dict[str, list[tuple[str, int, int]]]:
    """By version: labels, answers and bad ones."""
    return {
        each.version: [(topic.label, topic.answers, topic.bad) for topic in each.topics]
        for each in overview.versions
    }


def test_topics_with_most_bad_answers_come_first(desk: Desk, topics: Topics):
    desk.say(BOWELS[0], GOOD)
    desk.say(BOWELS[1], BAD)
    for question in SLEEP:
        desk.say(question, BAD)
    (version,) = topics.of(ANYBODY).versions
    assert (version.version, version.answers, version.bad) == ("tcm@1", 5, 4)
    sleep, bowels = version.topics
    assert (sleep.label.split(" · ")[0], sleep.answers, sleep.bad) == ("失眠", 3, 3)
    assert (bowels.label, bowels.answers, bowels.bad) == ("便秘", 2, 1)
    assert len(sleep.examples) == 2
    assert set(sleep.examples) < set(SLEEP)
    assert bowels.examples == [BOWELS[1]], "of bad answers where there are some"


def test_what_is_wrong_is_what_people_say_and_what_rules_find(desk: Desk, topics: Topics):
    dose = Opinion(rating=-1, reasons=["剂量不对", "太长"])
    desk.say(SLEEP[0], dose)
    desk.say(SLEEP[1], dose, text="胃" * 40)
    desk.say(SLEEP[2], Opinion(rating=1, reasons=["很好"]))
    (version,) = topics.of(ANYBODY).versions
    (topic,) = version.topics
    assert topic.wrong == [
        Wrong("剂量不对", "person", 2),
        Wrong("太长", "person", 2),
        Wrong("repeating", "rule", 1),
    ]


def test_an_answer_counts_once_and_is_bad_if_anybody_says_so(desk: Desk, topics: Topics):
    desk.say(SLEEP[0], GOOD, BAD, Opinion(correction="多走路。"))
    desk.say(SLEEP[0], Opinion(correction="多走路。"))
    desk.say(SLEEP[0], Opinion(rating=1, correction="早睡，多走路。"), Opinion(note="?"))
    desk.say(SLEEP[0], Opinion(critical=True, rating=1))
    (version,) = topics.of(ANYBODY).versions
    (topic,) = version.topics
    assert (topic.answers, topic.bad, topic.corrections) == (4, 3, 3)


def test_the_last_four_weeks_stand_beside_the_time_before(desk: Desk, topics: Topics):
    desk.say(SLEEP[0], GOOD, days_ago=90)
    desk.say(SLEEP[0], BAD, days_ago=29)
    desk.say(SLEEP[0], BAD, days_ago=27)
    (version,) = topics.of(ANYBODY).versions
    (topic,) = version.topics
    assert (topic.before, topic.recent) == (Tally(2, 1), Tally(1, 1))


def test_versions_stand_apart_and_share_their_topics(desk: Desk, topics: Topics):
    desk.say(SLEEP[0], BAD, pinned="tcm@1:1")
    desk.say(SLEEP[1], GOOD, pinned="tcm@2:1")
    desk.say(SLEEP[2], BAD, pinned="tcm@2:0.5")
    desk.say(SLEEP[0], BAD, pinned="tcm@2:0.5+style@1:1")
    desk.say(SLEEP[0], BAD, pinned="tcm2@1:1")
    desk.say(SLEEP[0], BAD, pinned="base", model="base")
    found = shown(topics.of(ANYBODY))
    assert [*found] == ["base", "tcm@2", "tcm@1", "tcm2@1", "tcm@2:0.5+style@1:1"]
    ((label, *counts),) = found["tcm@2"]
    assert counts == [2, 1]
    assert found["tcm@1"] == [(label, 1, 1)]


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ("tcm", ["tcm@2", "tcm@1"]),
        ("tcm@2", ["tcm@2"]),
        ("base", ["base"]),
        ("tcm@2:1+style@1:1", ["tcm@2:1+style@1:1"]),
        ("TCM", []),
        ("t%", []),
        ("style", []),
        ("a\0", []),
    ],
)
def test_one_adapter_or_version_may_be_asked_for(
    desk: Desk, topics: Topics, asked: str, versions: list[str]
):
    for pinned in ("tcm@1:1", "tcm@2:1", "base", "tcm@2:1+style@1:1", "tcm2@1:1"):
        desk.say(SLEEP[0], BAD, pinned=pinned)
    assert [*shown(topics.of(ANYBODY, asked))] == versions


def test_a_key_has_topics_of_its_own_and_another_home_none(desk: Desk, topics: Topics):
    anna, ben = (Caller(f"key_{name}", scopes=frozenset({"chat"})) for name in ("anna", "ben"))
    desk.say(SLEEP[0], BAD, key_id="key_anna")
    desk.say(SLEEP[1], GOOD, key_id="key_ben")
    desk.say(SLEEP[2], BAD, key_id="key_ben", place="elsewhere")
    assert shown(topics.of(anna)) == {"tcm@1": [(SLEEP[0], 1, 1)]}
    assert shown(topics.of(ben)) == {"tcm@1": [(SLEEP[1], 1, 0)]}
    ((_, *counts),) = shown(topics.of(ANYBODY))["tcm@1"]
    assert counts == [2, 1]


def test_only_the_newest_are_looked_at_and_the_others_counted(
    desk: Desk, state: State, tmp_path: Path
):
    for question in (*SLEEP, *BOWELS):
        desk.say(question, BAD)
    overview = Topics(state, tmp_path, "", most=2).of(ANYBODY)
    assert shown(overview) == {"tcm@1": [("便秘", 2, 2)]}
    assert overview.left_out == 3


def test_a_conversation_is_about_all_that_is_asked_in_it(desk: Desk, topics: Topics):
    messages = [
        {"role": "system", "content": "你是中医。"},
        {"role": "user", "content": "便秘怎么办？"},
        {"role": "assistant", "content": "几天了？"},
        {"role": "user", "content": None},
        {"role": "user", "content": "三天"},
    ]
    desk.say("", BAD, messages=messages)
    (version,) = topics.of(ANYBODY).versions
    assert version.topics[0].examples == ["便秘怎么办？ 三天"]
