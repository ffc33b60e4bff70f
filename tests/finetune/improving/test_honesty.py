"""The gate's error rate and power, over likelihoods that were recorded (benchmarks/gate.py)."""

import pytest

from benchmarks.gate import (
    LEAST_RIGHT,
    MOST_WRONG,
    SAMPLES,
    Losses,
    read_recorded,
    share_promoted,
)


@pytest.fixture(params=SAMPLES)
def losses(request: pytest.FixtureRequest) -> Losses:
    return read_recorded()[request.param]


@pytest.mark.parametrize("held_out", [10, 40])
def test_hardly_any_is_promoted_where_nothing_is_better(losses: Losses, held_out: int):
    assert share_promoted(losses, held_out, 0.0, 10_000, seed=held_out) <= MOST_WRONG


def test_most_are_promoted_where_something_is(losses: Losses):
    assert share_promoted(losses, 40, 0.05, 500, seed=0) >= LEAST_RIGHT


def test_what_is_worse_is_never_promoted(losses: Losses):
    assert share_promoted(losses, 40, -0.05, 500, seed=0) == 0
