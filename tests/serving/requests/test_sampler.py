"""Choosing a token, against plain references."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from serving.engine import Sampling
from serving.errors import BiasRefused, EngineFailed
from serving.requests.sampler import (
    BLOCK,
    PickedToken,
    Sampler,
    check_bias,
    largest,
    locate,
    nucleus,
)

# Probabilities of a vocabulary of six; the fourth is the likeliest.
CHANCES = [0.10, 0.05, 0.20, 0.40, 0.22, 0.03]
LOGITS = torch.tensor([math.log(chance) for chance in CHANCES])
NUM_DRAWS = 4000


def draw(sampling: Sampling, count: int, prompt_ids: tuple[int, ...] = (0,)) -> list[int]:
    sampler = Sampler(sampling, prompt_ids)
    return [sampler.pick(LOGITS).token_id for _ in range(count)]


def frequencies(**options: Any) -> list[float]:
    drawn = Counter(draw(Sampling(seed=7, **options), NUM_DRAWS))
    return [drawn[i] / NUM_DRAWS for i in range(len(CHANCES))]


def normalized(kept: dict[int, float]) -> list[float]:
    total = sum(kept.values())
    return [kept.get(i, 0.0) / total for i in range(len(CHANCES))]


def assert_close(found: list[float], expected: list[float]) -> None:
    """Within four standard deviations, and exactly nothing where nothing may be."""
    for frequency, chance in zip(found, expected, strict=True):
        deviation = math.sqrt(chance * (1 - chance) / NUM_DRAWS)
        assert abs(frequency - chance) <= 4 * deviation


def test_temperature_zero_takes_the_likeliest():
    assert draw(Sampling(temperature=0), 3) == [3, 3, 3]


@pytest.mark.parametrize("temperature", [1e-4, 1e-20, 1e-40, 1e-310])
def test_a_temperature_close_to_zero_is_greedy_and_no_overflow(temperature: float):
    assert draw(Sampling(temperature=temperature, seed=1), 3) == [3, 3, 3]


def test_a_plain_draw_follows_the_probabilities():
    assert_close(frequencies(), CHANCES)


def test_temperature_sharpens_and_flattens():
    assert_close(frequencies(temperature=0.5), normalized({i: c**2 for i, c in enumerate(CHANCES)}))
    assert_close(
        frequencies(temperature=2.0), normalized({i: c**0.5 for i, c in enumerate(CHANCES)})
    )


def test_top_k_keeps_the_k_likeliest():
    assert_close(frequencies(top_k=2), normalized({3: 0.40, 4: 0.22}))
    assert_close(frequencies(top_k=99), CHANCES)


def test_top_p_keeps_the_fewest_that_reach_p():
    assert_close(frequencies(top_p=0.7), normalized({3: 0.40, 4: 0.22, 2: 0.20}))
    assert draw(Sampling(top_p=0.0, seed=1), 3) == [3, 3, 3]


def test_top_p_counts_what_top_k_left():
    # Of three, the first two hold 0.62 / 0.82 = 0.756 of the chances.
    assert_close(frequencies(top_k=3, top_p=0.75), normalized({3: 0.40, 4: 0.22}))


def test_temperature_comes_before_top_p():
    # Squared, the likeliest alone has 0.40² / 0.264 = 0.606 of the chances.
    assert_close(frequencies(temperature=0.5, top_p=0.6), normalized({3: 1.0}))


def test_min_p_is_relative_to_the_likeliest():
    assert_close(frequencies(min_p=0.45), normalized({3: 0.40, 4: 0.22, 2: 0.20}))
    assert draw(Sampling(min_p=1.0, seed=1), 3) == [3, 3, 3]


def test_same_seed_same_tokens_and_another_seed_others():
    first, again, other = (draw(Sampling(seed=seed), 40) for seed in (5, 5, 6))
    assert first == again != other
    assert draw(Sampling(seed=-5), 40) == draw(Sampling(seed=-5), 40)


def test_another_request_between_does_not_change_the_draw():
    alone = draw(Sampling(seed=5), 20)
    mine, neighbour = Sampler(Sampling(seed=5), (0,)), Sampler(Sampling(seed=9), (0,))
    mixed: list[int] = []
    for _ in range(20):
        mixed.append(mine.pick(LOGITS).token_id)
        neighbour.pick(LOGITS)
        torch.rand(3)
    assert mixed == alone


def test_requests_without_a_seed_differ():
    assert draw(Sampling(), 40) != draw(Sampling(), 40)


def test_the_logits_are_left_as_they_were():
    logits = LOGITS.clone()
    sampler = Sampler(Sampling(repetition_penalty=2, presence_penalty=1, seed=1), (0, 3))
    for _ in range(5):
        sampler.pick(logits)
    assert torch.equal(logits, LOGITS)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0, "top_p": 0.5}])
def test_plain_greedy_rows_need_no_sampler(options: dict[str, Any]):
    assert Sampler(Sampling(**options), (0,)).is_plain_greedy


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.0},
        {"repetition_penalty": 1.1},
        {"presence_penalty": 0.1},
        {"frequency_penalty": -0.1},
        {"logit_bias": ((0, 1.0),)},
        {"top_logprobs": 0},
    ],
)
def test_all_others_do(options: dict[str, Any]):
    chosen: dict[str, Any] = {"temperature": 0} | options
    assert not Sampler(Sampling(**chosen), (0,)).is_plain_greedy


def test_a_token_chosen_elsewhere_is_noted():
    noted, picked = (Sampler(Sampling(temperature=0, presence_penalty=1), ()) for _ in range(2))
    noted.note(picked.pick(LOGITS).token_id)
    assert noted.pick(LOGITS) == picked.pick(LOGITS) == PickedToken(4, None)


def test_bias_is_added_to_the_logits():
    assert draw(Sampling(temperature=0, logit_bias=((5, 100.0),)), 1) == [5]
    assert draw(Sampling(temperature=0, logit_bias=((3, -100.0), (4, -100.0))), 1) == [2]
    doubled = {i: chance * (2 if i == 1 else 1) for i, chance in enumerate(CHANCES)}
    assert_close(frequencies(logit_bias=((1, math.log(2)),)), normalized(doubled))


@pytest.mark.parametrize("token_id", [-1, 6, 10**8])
def test_bias_on_a_token_that_is_not_there_is_refused(token_id: int):
    with pytest.raises(BiasRefused, match=str(token_id)):
        check_bias(Sampling(logit_bias=((0, 1.0), (token_id, 1.0))), 6)
    check_bias(Sampling(logit_bias=((0, 1.0), (5, 1.0))), 6)


def test_log_probabilities_are_the_models_own():
    options: dict[str, Any] = {"temperature": 0.3, "top_k": 1, "repetition_penalty": 5.0}
    sampling = Sampling(top_logprobs=3, logit_bias=((5, 100.0),), **options)
    choice = Sampler(sampling, (3,)).pick(LOGITS + 2)
    assert choice.logprob is not None
    assert (choice.token_id, choice.logprob.token_id) == (5, 5)
    assert choice.logprob.logprob == pytest.approx(math.log(0.03), abs=1e-5)
    assert [token_id for token_id, _ in choice.logprob.top] == [3, 4, 2]
    assert [value for _, value in choice.logprob.top] == pytest.approx(
        [math.log(chance) for chance in (0.40, 0.22, 0.20)], abs=1e-5
    )


@pytest.mark.parametrize(("asked", "told"), [(0, 0), (6, 6), (20, 6)])
def test_as_many_alternatives_as_asked_for_and_there_are(asked: int, told: int):
    choice = Sampler(Sampling(top_logprobs=asked), ()).pick(LOGITS)
    assert choice.logprob is not None
    assert len(choice.logprob.top) == told


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf])
def test_logits_that_allow_no_choice_are_an_error(value: float, temperature: float):
    logits = torch.full((6,), value)
    with pytest.raises(EngineFailed):
        Sampler(Sampling(temperature=temperature), ()).pick(logits)


def test_half_precision_logits_are_taken():
    assert Sampler(Sampling(temperature=0), ()).pick(LOGITS.bfloat16()).token_id == 3


# A few different values only, so that there are ties; and some that are far apart.
few = st.integers(-3, 3).map(float)
wide = st.floats(-40, 5, width=32)
many_logits = st.lists(few, min_size=1, max_size=300) | st.lists(wide, min_size=1, max_size=300)


def ranked(values: Any) -> list[int]:
    """All indices, the largest value first; of equal ones the first."""
    return sorted(range(len(values)), key=lambda i: (-values[i], i))


@given(many_logits, st.integers(0, 300))
def test_the_largest_are_those_of_a_full_sort(values: list[float], count: int):
    count = min(count, len(values))
    found = largest(np.array(values, np.float32), count)
    assert found.tolist() == sorted(ranked(values)[:count])


@given(many_logits, st.floats(0, 1, exclude_max=True), st.sampled_from([1, 50]))
def test_a_nucleus_is_that_of_a_full_sort(values: list[float], top_p: float, repeats: int):
    logits = np.array(values * repeats, np.float32)
    weights = np.exp(logits - logits.max())
    order = ranked(weights)
    before = np.concatenate([[0], weights[order].cumsum(dtype=np.float64)])
    goal = top_p * before[-1]
    assume(not (abs(before - goal) < 1e-9 * before[-1])[1:].any() or len(set(values)) == 1)
    expected = [i for i, sum_before in zip(order, before, strict=False) if sum_before < goal]
    assert nucleus(weights, top_p).tolist() == sorted(expected or order[:1])


def test_a_nucleus_ends_with_the_token_that_reaches_p_exactly():
    assert nucleus(np.ones(4, np.float32), 0.5).tolist() == [0, 1]


def test_a_nucleus_may_reach_far_down():
    weights = np.full(20_001, 5e-5, np.float32)  # of which the first has half the mass
    weights[7] = 1
    found = nucleus(weights, 0.75).tolist()
    assert len(found) == pytest.approx(10_001, abs=1)
    assert found == list(range(len(found)))


@given(
    st.lists(st.sampled_from([0.0, 0.0, 1e-8, 0.5, 1.0]), min_size=1, max_size=40),
    st.integers(1, 3 * BLOCK),
    st.floats(0, 1, exclude_max=True),
)
def test_a_point_of_the_running_sum_is_found_in_two_steps(
    values: list[float], length: int, point: float
):
    weights = np.resize(np.array(values, np.float32), length)
    assume(weights.any())
    sums = weights.cumsum(dtype=np.float64)
    found = locate(weights, point * float(sums[-1]), "right")
    assert weights[found] > 0
    assert sums[found] >= point * sums[-1] - 1e-9 * sums[-1]
    assert sums[found] - weights[found] <= point * sums[-1] + 1e-9 * sums[-1]


@pytest.mark.parametrize("point", [1.5, 1.0, math.nextafter(1, 0), 0.0])
def test_a_draw_never_falls_on_what_is_forbidden(point: float):
    weights = np.zeros(4 * BLOCK, np.float32)
    weights[[BLOCK + 3, 2 * BLOCK + 5]] = 0.25
    assert locate(weights, point * 0.5, "right") in (BLOCK + 3, 2 * BLOCK + 5)


def test_a_large_vocabulary_is_drawn_from_as_a_small_one():
    chances = torch.tensor(CHANCES).repeat_interleave(3 * BLOCK) / (3 * BLOCK)
    sampler = Sampler(Sampling(seed=7, top_p=0.999), ())
    logits = chances.log()
    drawn = Counter(sampler.pick(logits).token_id // (3 * BLOCK) for _ in range(NUM_DRAWS))
    assert_close([drawn[i] / NUM_DRAWS for i in range(6)], CHANCES)
