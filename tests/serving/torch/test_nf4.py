"""nf4 as it is trained with: the same weights, to the last bit of a 4-bit code."""

from pathlib import Path

import pytest

from finetune.bases.base import find_base, load_model
from finetune.defaults import DEFAULT_BASE
from finetune.training.loss import answer_loss as trained_loss
from tests.serving.likelihood import CASES, affordable, answer_loss, sample_rows

MOST_TOKENS = 1024  # in one batch of the reference


@pytest.mark.parametrize(("sample", "count"), CASES)
def test_nf4_answers_as_transformers_and_bitsandbytes(sample: str, count: int, default_home: Path):
    base = find_base(DEFAULT_BASE, default_home)
    rows = affordable(sample_rows(base, sample, count), lambda some: answer_loss(base, "nf4", some))
    reference = trained_loss(load_model(base, "nf4", "cpu"), rows, MOST_TOKENS, "cpu")
    expected = sum(reference.sums) / sum(reference.counts)
    found = answer_loss(base, "nf4", rows)
    wide = answer_loss(base, "fp32", rows)
    figures = f"{sample}: {expected:.4f} trained, {found:.4f} served, {wide:.4f} in fp32"
    assert abs(found / expected - 1) < 0.005, figures
    assert abs(wide / expected - 1) > 0.01, figures  # nf4 is seen in these rows at all
