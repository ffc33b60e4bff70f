"""The second stage is kept only if it is shown to be better than the first."""

import pytest

from finetune.preference.outcome import Measured, Outcome, decide
from finetune.preference.rows import JudgedRow, Judgement, Part

NUM = 12


def row(part: Part) -> JudgedRow:
    return JudgedRow((1, 2), (False, True), part)


PAIRS: list[Judgement] = [(row("preferred"), row("other"))] * NUM
BEFORE = Measured([1.0, 0.9] * NUM, 1.0, 1.2)


def of_pairs(preferred: float, other: float, held_out: float = 1.2) -> Outcome:
    spread = [0.01 * n for n in range(NUM)]
    judged = [loss for s in spread for loss in (preferred - s, other + s)]
    mean = preferred - sum(spread) / NUM
    return decide("dpo", 40, PAIRS, BEFORE, Measured(judged, mean, held_out))


def test_it_is_kept_where_preferred_answers_are_likelier_and_stand_out_more():
    found = of_pairs(0.9, 1.5)
    assert found.is_kept
    assert found.prefers == (0, NUM)
    assert found.chance == pytest.approx(1 / 2**NUM)
    assert "likelier than the others in 12 of them, before in 0" in found.told
    assert found.metrics["preferences_kept"] == 1


def test_it_is_dropped_where_preferred_answers_are_no_likelier():
    found = of_pairs(1.2, 3.0)  # as DPO alone would have it: both less likely
    assert not found.is_kept
    assert "DPO is not kept: preferred answers have not become likelier" in found.told


def test_it_is_dropped_where_they_stand_out_less():
    found = of_pairs(0.95, 0.5)
    assert "that they stand out more may be chance" in found.told


def test_it_is_dropped_where_all_that_is_held_out_suffers():
    assert of_pairs(0.9, 1.5, 1.22).is_kept
    assert "the loss on all that is held out rose by 5.0%" in of_pairs(0.9, 1.5, 1.26).told


def test_of_ratings_good_answers_gain_and_bad_ones_lose():
    measuring: list[Judgement] = [(row("preferred"),), (row("other"),)] * (NUM // 2)
    before = Measured([1.0] * NUM, 1.0, 1.0)
    found = decide("kto", 40, measuring, before, Measured([0.9, 1.2] * (NUM // 2), 0.9, 1.0))
    assert found.is_kept
    assert found.prefers is None
    found = decide("kto", 40, measuring, before, Measured([0.9, 0.7] * (NUM // 2), 0.9, 1.0))
    assert not found.is_kept
