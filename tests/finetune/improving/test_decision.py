"""One decision with its reasons, from figures that are made here."""

import random
from dataclasses import replace
from typing import Any

import pytest

from finetune.improving.decision import check_sense, decide
from finetune.improving.figures import CriticalAnswer, Figures, PairedLosses


def losses(gain: float, count: int, spread: float = 0.1, seed: int = 0) -> PairedLosses:
    chooser = random.Random(seed)
    served = [2 + chooser.random() for _ in range(count)]
    after = [each * (1 - gain - chooser.gauss(0, spread)) for each in served]
    return PairedLosses(served, after)


def figures(gain: float = 0.3, count: int = 20, **fields: Any) -> Figures:
    given = Figures(
        corrections=losses(gain, count),
        held_out=losses(0, 30, 0.01, 1),
        prefers=[(False, True)] * count,
        sense=[0.5] * 20,
        sense_learned=[0.5] * 10,
        critical=[],
        num_answers=8,
    )
    return replace(given, **fields)


MENDED = CriticalAnswer("fb-1", "早睡。", (90, 10), (1.0, 2.0))


def test_what_is_shown_to_be_better_is_promoted():
    decision = decide(figures(critical=[MENDED]))
    assert (decision.outcome, decision.needed) == ("promote", None)
    assert decision.chance is not None
    assert decision.chance <= 0.05
    assert "20 corrections" in decision.reasons[0]
    assert "1 critical" in decision.reasons[-1]


def test_few_tell_nothing_however_good():
    decision = decide(figures(0.9, 9))
    assert (decision.outcome, decision.needed) == ("abstain", 2)
    assert "2 more reviewed corrections are needed" in decision.reasons[0]


def test_what_may_be_chance_is_kept_back_with_a_number():
    decision = decide(figures(0.03, 12))
    assert decision.outcome == "abstain"
    assert decision.needed is not None
    assert decision.needed % 5 == 0
    assert str(decision.needed) in decision.reasons[1]


def test_what_many_would_have_shown_is_refused():
    decision = decide(figures(0.0, 200))
    assert (decision.outcome, "5% better" in decision.reasons[1]) == ("refuse", True)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"corrections": losses(-0.3, 20)}, "corrections that were held out"),
        ({"held_out": losses(-0.1, 30, 0.02)}, "held out before"),
        (
            {"sense": [0.1, -0.1] * 10, "sense_learned": [0.1, -0.1] * 5},
            "do not fit their questions",
        ),
        ({"prefers": [(True, False)] * 8 + [(True, True)] * 12}, "prefers the wrong answer"),
        ({"faulty": (0, 3)}, "plainly faulty"),
        (
            {"critical": [MENDED, replace(MENDED, id="fb-2", nearness=(10, 90))]},
            "critical question fb-2",
        ),
        ({"critical": [replace(MENDED, losses=(2.0, 1.0))]}, "critical question fb-1"),
    ],
)
def test_anything_else_can_refuse_it(fields: dict[str, Any], reason: str):
    decision = decide(figures(**fields))
    assert decision.outcome == "refuse"
    assert reason in decision.reasons[0]


def test_a_little_is_tolerated_of_what_was_held_out_before():
    slightly = losses(-0.01, 100, 0.001)
    assert decide(figures(held_out=slightly)).outcome == "promote"


def test_corrections_have_to_fit_their_questions_to_either_of_both():
    assert check_sense([-0.5] * 11, [-0.5] * 10) is None  # too few
    assert check_sense([-0.5] * 12, [-0.5] * 10) is not None
    assert check_sense([0.5] * 12, [-0.5] * 10) is None
    assert check_sense([-0.5] * 12, [0.5] * 10) is None
