"""The scores of ways to group questions, and what they are measured on."""

from pathlib import Path
from statistics import fmean

import pytest

from benchmarks.provenance import ROOT
from benchmarks.topics.__main__ import measure, read_halves, read_topics, score_ours
from benchmarks.topics.scores import score
from benchmarks.topics.ways import OURS, ways


def test_scores_are_those_of_known_groups():
    same = score("aabbc", [1, 1, 2, 2, 3])
    assert (same.f1, same.rand, same.v_measure) == (1, 1, 1)
    one = score("aabb", [1, 1, 1, 1])
    assert (one.precision, one.recall) == (pytest.approx(1 / 3), 1)
    assert (one.rand, one.v_measure) == (0, 0)
    apart = score("aabb", [1, 2, 3, 4])
    assert (apart.f1, apart.rand) == (0, 0)
    half = score("aaabbb", [1, 1, 2, 2, 3, 3])  # scikit-learn's numbers
    assert half.rand == pytest.approx(0.242424, abs=1e-6)
    assert half.v_measure == pytest.approx(0.515804, abs=1e-6)


def test_every_topic_begins_with_a_question_of_the_samples():
    samples = "".join(
        (ROOT / "data" / "samples" / f"{name}.txt").read_text("utf-8")
        for name in ("tcm_consultation", "bike_workshop")
    )
    topics = read_topics()
    assert len(topics) == 24
    assert all(len(questions) >= 5 and questions[0] in samples for questions in topics.values())


def test_our_way_is_better_than_near_duplicates_on_topics_it_was_not_set_on(tmp_path: Path):
    halves = [*read_halves()]
    known = ways(tmp_path)
    ours, *others = (
        max(measure(name, way, halves), key=lambda each: each.mean("rand"))
        for name, way in known.items()
        if "base" not in name
    )
    assert ours.way == OURS
    assert len(others) == 2
    for other in others:
        assert ours.mean("rand") > other.mean("rand") + 0.1
    assert fmean(each.precision for each in ours.scores) > 0.5


def test_what_a_person_sees_is_mostly_of_one_topic():
    scores = score_ours([each for half in read_halves() for each in half])
    assert scores["all"].precision > 0.6
    assert min(each.rand for each in scores.values()) > 0.4
