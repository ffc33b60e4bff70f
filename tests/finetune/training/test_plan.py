"""What a run decides before it starts."""

import itertools
import math
from collections import Counter
from typing import Any

import pytest

from finetune.training.config import TrainConfig
from finetune.training.plan import (
    CORRECTION_EPOCHS,
    CORRECTION_RATE,
    Plan,
    default_learning_rate,
    make_plan,
)


def plan(num_rows: int, tokens: int = 10, hidden_size: int = 576, **options: Any) -> Plan:
    return make_plan(TrainConfig.model_validate(options), [tokens] * num_rows, hidden_size)


def rows_of_epochs(made: Plan, num_rows: int) -> list[list[int]]:
    rows = [row for window in made.windows for row in window]
    return [rows[start : start + num_rows] for start in range(0, len(rows), num_rows)]


@pytest.mark.parametrize(
    ("num_rows", "epochs"),
    [(1, 10), (50, 10), (51, 6), (200, 6), (201, 4), (500, 4), (501, 3), (1000, 3), (1001, 2)],
)
def test_epochs_fall_with_size(num_rows: int, epochs: int):
    assert plan(num_rows).epochs == epochs
    assert plan(num_rows, epochs=7).epochs == 7


@pytest.mark.parametrize(
    ("num_rows", "batch_size"), [(1, 4), (199, 4), (200, 8), (999, 8), (1000, 16)]
)
def test_batches_grow_with_size(num_rows: int, batch_size: int):
    assert plan(num_rows).batch_size == batch_size
    assert plan(num_rows, batch_size=3).batch_size == 3


def test_dropout_is_higher_for_small_sets():
    assert [plan(299).dropout, plan(300).dropout] == [0.1, 0.05]
    assert plan(10, dropout=0.0).dropout == 0.0


def test_the_learning_rate_falls_with_width_within_bounds():
    assert default_learning_rate(2000) == pytest.approx(5e-4)
    assert default_learning_rate(4096) == pytest.approx(2.86e-4, rel=0.01)
    assert default_learning_rate(64) == 1e-3
    assert default_learning_rate(100_000) == 1e-4
    assert plan(10, hidden_size=4096).learning_rate == default_learning_rate(4096)
    assert plan(10, learning_rate=3e-5).learning_rate == 3e-5


def test_a_multiplier_scales_the_rate_whoever_has_chosen_it():
    usual = plan(10, hidden_size=4096).learning_rate
    scaled = plan(10, hidden_size=4096, learning_rate_multiplier=2.5)
    assert scaled.learning_rate == pytest.approx(2.5 * usual)
    given = plan(10, learning_rate=3e-5, learning_rate_multiplier=0.1)
    assert given.learning_rate == pytest.approx(3e-6)


def test_the_learning_rate_warms_up_linearly_then_falls_as_a_cosine():
    made = plan(1000, learning_rate=1e-3, epochs=2)
    assert (made.num_steps, made.warmup_steps) == (126, 4)
    rates = [made.learning_rate_at(step) for step in range(made.num_steps)]
    assert rates[:4] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    assert rates[4] == pytest.approx(1e-3)
    assert rates[4 + 61] == pytest.approx(0.5e-3)
    assert all(after < before for before, after in itertools.pairwise(rates[4:]))
    assert 0 < rates[-1] < 1e-6
    assert made.learning_rate_at(made.num_steps) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("num_rows", [1, 2, 5, 9])
def test_a_run_of_few_steps_has_a_positive_rate_at_each(num_rows: int):
    made = plan(num_rows, epochs=1)
    assert made.warmup_steps == min(3, made.num_steps)
    assert all(made.learning_rate_at(step) > 0 for step in range(made.num_steps))


@pytest.mark.parametrize("num_rows", [1, 3, 4, 57])
def test_every_row_comes_once_an_epoch(num_rows: int):
    made = plan(num_rows, epochs=3)
    epochs = rows_of_epochs(made, num_rows)
    assert [sorted(epoch) for epoch in epochs] == [list(range(num_rows))] * 3
    assert made.num_steps == 3 * math.ceil(num_rows / 4)
    assert max(map(len, made.windows)) <= 4


def test_the_order_depends_on_seed_and_epoch_alone():
    made = plan(57, epochs=3, seed=1)
    first, second, third = rows_of_epochs(made, 57)
    assert first != second != third != first
    assert made.windows == plan(57, tokens=99, epochs=3, seed=1, rank=4).windows
    assert made.windows[:15] == plan(57, epochs=1, seed=1).windows
    assert made.windows != plan(57, epochs=3, seed=2).windows


@pytest.mark.parametrize("limit", [40, 41, 79, 80, 700])
def test_the_token_limit_cuts_before_it_is_passed(limit: int):
    whole, made = plan(20, epochs=4), plan(20, epochs=4, max_training_tokens=limit)
    assert made.num_steps == limit // 40
    assert made.num_tokens == 40 * made.num_steps <= limit
    assert made.windows == whole.windows[: made.num_steps]
    assert made.eval_steps == {step for step in whole.eval_steps if step < made.num_steps} | {
        made.num_steps
    }
    assert made.learning_rate_at(made.num_steps) == pytest.approx(
        0 if made.num_steps > made.warmup_steps else made.learning_rate, abs=1e-12
    )


def test_a_limit_below_one_step_leaves_one_step():
    assert plan(20, max_training_tokens=1).num_steps == 1


def test_a_limit_that_is_not_reached_cuts_nothing():
    made = plan(20, epochs=2, max_training_tokens=400)
    assert made.windows == plan(20, epochs=2).windows
    assert made.num_tokens == 400


def test_evaluations_come_evenly_and_after_the_last_step():
    assert plan(40, epochs=2, batch_size=4).eval_steps == {5, 10, 15, 20}
    assert plan(40, epochs=2, batch_size=4, evals_per_epoch=1).eval_steps == {10, 20}
    assert plan(3, epochs=2, batch_size=4, evals_per_epoch=50).eval_steps == {1, 2}


def corrections(num_corrections: int, num_old: int, **options: Any) -> Plan:
    config = TrainConfig.model_validate(options)
    return make_plan(config, [10] * (num_corrections + num_old), 576, num_corrections)


def test_corrections_come_every_epoch_and_as_many_old_rows_take_turns():
    made = corrections(4, 10, epochs=5)
    counts = Counter(row for window in made.windows for row in window)
    assert counts == {**dict.fromkeys(range(4), 5), **dict.fromkeys(range(4, 14), 2)}
    first = [row for window in made.windows[:2] for row in window]
    assert sorted(first) == list(range(8))


@pytest.mark.parametrize(
    ("num_corrections", "num_old", "share"), [(1, 40, 3), (2, 1, 1), (3, 0, 0)]
)
def test_old_rows_are_never_fewer_than_there_are_or_three(
    num_corrections: int, num_old: int, share: int
):
    made = corrections(num_corrections, num_old, epochs=1)
    assert sum(map(len, made.windows)) == num_corrections + share


def test_corrections_are_measured_seldom_and_looked_at_after_each_epoch():
    made = corrections(5, 40)
    assert (made.epochs, made.num_corrections) == (CORRECTION_EPOCHS, 5)
    assert made.learning_rate == CORRECTION_RATE * default_learning_rate(576)
    assert len(made.eval_steps) == 3
    assert max(made.eval_steps) == made.num_steps
    assert made.check_steps == frozenset(range(3, made.num_steps, 3))
    assert not plan(45).check_steps
