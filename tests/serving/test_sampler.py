"""Choosing a token, against plain references."""

import math
from collections import Counter
from typing import Any

import pytest
import torch

from serving.engine import Sampling
from serving.sampler import Sampler

# Probabilities of a vocabulary of six; the fourth is the likeliest.
CHANCES = [0.10, 0.05, 0.20, 0.40, 0.22, 0.03]
LOGITS = torch.tensor([math.log(chance) for chance in CHANCES])
NUM_DRAWS = 4000


def draw(sampling: Sampling, count: int, prompt_ids: tuple[int, ...] = (0,)) -> list[int]:
    sampler = Sampler(sampling, prompt_ids)
    return [sampler.pick(LOGITS) for _ in range(count)]


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
        mixed.append(mine.pick(LOGITS))
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


def penalized(
    logits: list[float], sampling: Sampling, prompt_ids: tuple[int, ...], answer: list[int]
) -> list[float]:
    """The definitions, one number at a time."""
    changed = list(logits)
    for token_id in {*prompt_ids, *answer}:
        value = changed[token_id]
        penalty = sampling.repetition_penalty
        changed[token_id] = value / penalty if value > 0 else value * penalty
    for token_id in set(answer):
        changed[token_id] -= sampling.presence_penalty
        changed[token_id] -= sampling.frequency_penalty * answer.count(token_id)
    return changed


@pytest.mark.parametrize("prompt_ids", [(), (0,), (1, 1, 4)])
@pytest.mark.parametrize(
    "options",
    [
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.8},
        {"presence_penalty": 0.6},
        {"frequency_penalty": 0.4},
        {"frequency_penalty": -0.2},
        {"repetition_penalty": 1.2, "presence_penalty": 0.3, "frequency_penalty": 0.2},
    ],
)
def test_penalties_are_those_of_the_definitions(
    options: dict[str, float], prompt_ids: tuple[int, ...]
):
    sampling = Sampling(temperature=0, **options)  # pyright: ignore[reportArgumentType] - a mix of floats
    logits = [2.0, -1.0, 1.9, 1.8, -0.5, 1.7]
    sampler = Sampler(sampling, prompt_ids)
    answer: list[int] = []
    for _ in range(12):
        expected = penalized(logits, sampling, prompt_ids, answer)
        token_id = sampler.pick(torch.tensor(logits))
        assert expected[token_id] == pytest.approx(max(expected))
        answer.append(token_id)
