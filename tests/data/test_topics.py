"""Questions that are alike are found, in both languages and in any order."""

from random import Random
from typing import Any

import numpy as np
import pytest

from data.topics import LONGEST, Topic, features_of, find_topics, joined, similarities, weighted

QUESTIONS = [
    "晚上失眠怎么办？",
    "失眠多梦，吃点什么好？",
    "老是失眠，夜里两三点就醒",
    "便秘三四天了，怎么通便？",
    "老人便秘怎么调理？",
    "How do I stop my brakes from squealing?",
    "My brakes squeal when it is wet",
    "squealing brakes with new pads",
    "What tyre pressure do you recommend?",
    "How much pressure do I put in my tyres?",
    "Do you sell helmets?",
]
GROUPS = [{0, 1, 2}, {3, 4}, {5, 6, 7}, {8, 9}, {10}]


def groups_of(topics: list[Topic]) -> list[set[int]]:
    return sorted((set(topic.members) for topic in topics), key=min)


def test_alike_questions_are_together_whatever_their_words_order():
    assert groups_of(find_topics(QUESTIONS)) == GROUPS


def test_the_order_of_questions_makes_no_difference():
    random = Random(0)
    for _ in range(20):
        order = random.sample(range(len(QUESTIONS)), len(QUESTIONS))
        topics = find_topics([QUESTIONS[each] for each in order])
        assert groups_of([Topic(t.label, tuple(order[m] for m in t.members)) for t in topics]) == (
            GROUPS
        )


def test_labels_are_words_that_a_group_shares():
    labels = {min(topic.members): topic.label for topic in find_topics(QUESTIONS)}
    assert labels[0].startswith("失眠")
    assert labels[3].startswith("便秘")
    assert labels[5].startswith("brakes")
    assert "pressure" in labels[8]
    assert labels[10] == "Do you sell helmets?", "nobody else has asked that"


def test_the_largest_topic_comes_first_and_its_most_typical_question():
    topics = find_topics([*QUESTIONS, "便秘三四天了, 怎么通便", "  便秘三四天了，怎么通便？"])
    assert len(topics[0].members) == 4
    assert set(topics[0].members) == {3, 4, 11, 12}, "width, punctuation and space do not matter"
    together = find_topics(["brakes squeal", "my brakes squeal and rub", "the brakes rub"])
    assert together[0].members[0] == 1


@pytest.mark.parametrize("nothing", ["", " ", "？", "的吗"])
def test_questions_without_words_are_topics_too(nothing: str):
    topics = find_topics([nothing, "失眠", nothing])
    assert groups_of(topics) == [{0, 2}, {1}]
    assert find_topics([]) == []


def test_very_long_questions_are_taken_by_their_beginning():
    begun = "失眠怎么办？" * (LONGEST // 6)
    topics = find_topics([begun + "brakes " * 10_000, begun + "tyres " * 10_000, "便秘", "tyres"])
    assert groups_of(topics) == [{0, 1}, {2}, {3}]
    assert max(len(topic.label) for topic in topics) <= LONGEST


def test_similarities_are_cosines():
    vectors = weighted([features_of(each) for each in QUESTIONS])
    names = sorted({feature for vector in vectors for feature in vector})
    dense = np.array([[vector.get(name, 0.0) for name in names] for vector in vectors])
    table = similarities(vectors)
    assert np.allclose(table, dense @ dense.T, atol=1e-6)
    assert (table == table.T).all()


def test_groups_are_those_of_joining_the_most_alike_one_by_one():
    random = np.random.default_rng(0)
    for size in (1, 2, 17, 40):
        points = random.normal(size=(size, 3))
        table = (points @ points.T).astype(np.float32)
        weights = random.integers(1, 4, size).tolist()
        for alike in (-2.0, 0.0, 0.7, 2.0, 9.0):
            found = joined(table.copy(), weights, alike)
            assert sorted(found) == slowly_joined(table, weights, alike)


def slowly_joined(table: Any, weights: list[int], alike: float) -> list[list[int]]:
    """The mean similarity of each two groups, over all their members, reckoned anew each time."""
    groups = [[each] for each in range(len(table))]

    def mean(one: list[int], other: list[int]) -> float:
        parts = [(weights[a] * weights[b], table[a, b]) for a in one for b in other]
        return float(sum(w * s for w, s in parts) / sum(w for w, _ in parts))

    while len(groups) > 1:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a)]
        a, b = max(pairs, key=lambda pair: mean(groups[pair[0]], groups[pair[1]]))
        if mean(groups[a], groups[b]) < alike:
            break
        groups[b] = sorted(groups[b] + groups.pop(a))
    return sorted(groups)
