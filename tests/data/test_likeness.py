"""Which conversations are alike."""

import random
from collections.abc import Sequence

import pytest

from data.conversation import Conversation, Message
from data.likeness import ALIKE, BATCH, Likeness, normalized

LONG = (
    "我最近总是头晕，晚上睡不好，白天没有精神，吃饭也没有胃口，请问应该怎么办才好，需要去医院检查吗"
)


def pair(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def likeness_of(conversations: Sequence[Conversation]) -> Likeness:
    likeness = Likeness()
    for conversation in conversations:
        likeness.add(conversation)
    return likeness


def random_text(chooser: random.Random, length: int) -> str:
    return "".join(chr(chooser.randrange(0x4E00, 0x9FA5)) for _ in range(length))


def shared(one: str, other: str) -> float:
    """The Jaccard index of groups of three characters, by counting."""
    first, second = ({text[i : i + 3] for i in range(len(text) - 2)} for text in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize(
    ("one", "other"),
    [("头晕？", "头晕"), ("Ｑ１：ＡＢ", "q1 ab"), ("a  b\n", "ab"), ("《上火》……", "上火")],
)
def test_case_width_punctuation_and_space_make_no_difference(one: str, other: str):
    assert normalized(one) == normalized(other)


def test_what_is_nothing_but_punctuation_is_itself():
    assert normalized("？！") == "？！" != normalized("？")


def test_signs_that_mean_something_make_a_difference():
    assert normalized("C++") != normalized("C")


def test_equal_conversations_name_the_first_of_them():
    likeness = likeness_of([pair("a", "b"), pair("x", "b"), pair("A！", " b"), pair("a", "b")])
    assert [(each.index, each.first) for each in likeness.equal()] == [(2, 0), (3, 0)]
    assert likeness.near() == []
    assert likeness.contradictory() == []


def test_another_answer_to_the_same_question_contradicts_the_first():
    likeness = likeness_of(
        [pair("可以吃辣吗？", "可以。"), pair("a", "b"), pair("可以吃辣吗", "不可以。")]
    )
    assert [(each.index, each.first) for each in likeness.contradictory()] == [(2, 0)]


def test_nearly_the_same_answer_does_not_contradict():
    likeness = likeness_of([pair("头晕？", LONG * 2), pair("头晕？", LONG * 2 + "呢")])
    assert likeness.contradictory() == []
    assert [(each.index, each.first) for each in likeness.near()] == [(1, 0)]


def test_in_a_conversation_of_several_turns_the_last_answer_counts():
    first, other = pair("a", "b").messages, pair("c", "d").messages
    again = pair("c", "e").messages
    likeness = likeness_of([Conversation((*first, *other)), Conversation((*first, *again))])
    assert [(each.index, each.first) for each in likeness.contradictory()] == [(1, 0)]


def test_short_texts_are_equal_or_not_alike():
    assert likeness_of([pair("头晕第1天", LONG[:30]), pair("头晕第2天", LONG[:30])]).near() == []


@pytest.mark.parametrize("seed", range(3))
def test_near_ones_are_found_and_others_are_not(seed: int):
    """Of texts with a known share in common, over more than one batch of signatures."""
    chooser = random.Random(seed)
    texts: list[str] = []
    expected: dict[int, bool | None] = {}
    for number in range(BATCH):
        text = random_text(chooser, 300)
        changed = chooser.choice([3, 20, 60, 150])
        at = chooser.randrange(300 - changed)
        other = text[:at] + random_text(chooser, changed) + text[at + changed :]
        share = shared("问" + text, "问" + other)
        texts += [text, other]
        expected[2 * number + 1] = None if abs(share - ALIKE) < 0.15 else share > ALIKE
    found = likeness_of([pair("问", text) for text in texts]).near()
    pairs = {each.index: each.first for each in found}
    for index, is_near in expected.items():
        if is_near is not None:
            assert (pairs.get(index) == index - 1) == is_near
    assert all(first == index - 1 for index, first in pairs.items())
    for each in found:
        share = shared("问" + texts[each.first], "问" + texts[each.index])
        assert abs(each.similarity - share) < 0.25


def test_nothing_is_alike_in_nothing():
    likeness = Likeness()
    assert (likeness.equal(), likeness.near(), likeness.contradictory()) == ([], [], [])
