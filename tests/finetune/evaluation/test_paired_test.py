"""The paired test: exact, honest where nothing differs, and strong enough where something does."""

import itertools
import random

import pytest

from finetune.evaluation.paired_test import ALPHA, chance_of, items_needed


def by_hand(gains: list[float]) -> float:
    """All ways to give the gains their signs, one by one."""
    sizes = sorted(map(abs, filter(None, gains)))
    rank = {size: sum(2 * i for i, each in enumerate(sizes, 1) if each == size) for size in sizes}
    ranks = [rank[abs(each)] / sizes.count(abs(each)) for each in gains if each]
    seen = sum(r for r, each in zip(ranks, filter(None, gains), strict=True) if each > 0)
    ways = [*itertools.product((0, 1), repeat=len(ranks))]
    sums = [sum(r for r, on in zip(ranks, way, strict=True) if on) for way in ways]
    return sum(each >= seen - 1e-9 for each in sums) / len(ways)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_counting_all_signs_gives(seed: int):
    chooser = random.Random(seed)
    gains = [chooser.choice((-2, -1, 0, 1, 2, 3)) * 0.5 for _ in range(chooser.randint(1, 9))]
    expected = by_hand(gains) if any(gains) else 1.0
    assert chance_of(gains) == pytest.approx(expected)


def test_known_values():
    assert chance_of([]) == chance_of([0.0, 0.0]) == 1.0
    assert chance_of([1.0] * 5) == pytest.approx(1 / 32)
    # Siegel 1956, the day care example of many textbooks: T = 4 of 8 pairs, p = 0.027 one-sided.
    assert chance_of([19, 27, -1, 6, 7, 13, -4, 3]) == pytest.approx(7 / 256)


def test_many_items_take_no_time_to_speak_of():
    gains = [(-1) ** number * number for number in range(1, 501)]
    assert 0.4 < chance_of(gains) < 0.6


def test_more_items_are_needed_for_less():
    wide = [0.3, -0.2, 0.4, -0.1, 0.1, -0.3]
    assert items_needed(wide, 0.05) > items_needed([0.3, 0.2, 0.4, 0.1, 0.1, 0.3], 0.05)
    assert items_needed(wide, 0.05) > items_needed(wide, 0.1)
    assert items_needed([0.1], 0.05) == 1
    chooser = random.Random(0)
    gains = [0.05 + chooser.gauss(0, 0.1) for _ in range(400)]
    needed = items_needed(gains, 0.01)
    shown = [chance_of(chooser.choices(gains, k=needed)) <= ALPHA for _ in range(600)]
    assert 0.7 < sum(shown) / len(shown) < 0.9
