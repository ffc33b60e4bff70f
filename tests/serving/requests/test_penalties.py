"""Penalties against their definitions, one number at a time."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.engine import Sampling
from serving.requests.penalties import Penalties
from serving.requests.sampler import Sampler

VOCABULARY = 40
token_ids = st.lists(st.integers(0, VOCABULARY - 1), max_size=60)
strengths = st.floats(-2, 2)


def penalized(
    logits: list[float], sampling: Sampling, prompt_ids: tuple[int, ...], answer: list[int]
) -> list[float]:
    changed = list(logits)
    for token_id in {*prompt_ids, *answer}:
        value = changed[token_id]
        penalty = sampling.repetition_penalty
        changed[token_id] = value / penalty if value > 0 else value * penalty
    for token_id in set(answer):
        changed[token_id] -= sampling.presence_penalty
        changed[token_id] -= sampling.frequency_penalty * answer.count(token_id)
    return changed


@given(token_ids, token_ids, st.floats(0.1, 10), strengths, strengths, st.integers(0, 2**32))
def test_penalties_are_those_of_the_definitions(
    prompt_ids: list[int],
    answer: list[int],
    repetition: float,
    presence: float,
    frequency: float,
    seed: int,
):
    sampling = Sampling(
        repetition_penalty=repetition, presence_penalty=presence, frequency_penalty=frequency
    )
    logits = 5 * np.random.default_rng(seed).standard_normal(VOCABULARY, np.float32)
    before = logits.copy()
    penalties = Penalties(sampling, tuple(prompt_ids))
    for token_id in answer:
        penalties.note(token_id)
    expected = penalized(logits.tolist(), sampling, tuple(prompt_ids), answer)
    np.testing.assert_allclose(penalties.apply(logits), expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(logits, before)


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
def test_the_sampler_chooses_by_them(options: dict[str, Any]):
    sampling = Sampling(temperature=0, **options)
    logits = [2.0, -1.0, 1.9, 1.8, -0.5, 1.7]
    sampler = Sampler(sampling, (1, 1, 4))
    answer: list[int] = []
    for _ in range(12):
        expected = penalized(logits, sampling, (1, 1, 4), answer)
        token_id = sampler.pick(torch.tensor(logits)).token_id
        assert expected[token_id] == pytest.approx(max(expected))
        answer.append(token_id)
