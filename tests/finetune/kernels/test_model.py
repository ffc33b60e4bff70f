"""A lean model computes what PEFT computes, from the same weights."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from finetune.hardware import Precision
from finetune.kernels.attention import ShortRow
from finetune.kernels.batch import collate
from finetune.kernels.beginnings import Beginning
from finetune.kernels.model import LeanModel
from finetune.kernels.padded import token_losses
from finetune.training.going_on.teacher import teach
from tests.finetune.kernels.models import (
    answer_logits,
    assert_close,
    gradients_of,
    make_model,
    rows_of,
)


@pytest.mark.parametrize(
    "family",
    [
        "llama",
        "llama3",
        "llama-biased",
        "mistral",
        "mistral-window",
        "qwen2",
        "qwen2-window",
        "qwen3",
    ],
)
def test_losses_and_gradients_equal_pefts(family: str, make_base: Any):
    folder = make_base(family)
    model, batch = make_model(folder), collate(rows_of(folder))
    expected = token_losses(model, batch)
    gradients = gradients_of(model, expected)
    lean = LeanModel(model)
    losses = lean.token_losses(batch)
    torch.testing.assert_close(losses, expected, atol=2e-5, rtol=1e-4)
    assert_close(gradients, gradients_of(model, losses), 1e-4)


# In 16 bits either side rounds in its own places.
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("nf4", 0.05), ("int8", 0.05), ("bf16", 0.05)]
)
def test_quantized_and_16_bit_bases_train_alike(
    precision: Precision, tolerance: float, make_base: Any
):
    folder = make_base("llama")
    model, batch = make_model(folder, precision), collate(rows_of(folder))
    expected = token_losses(model, batch)
    gradients = gradients_of(model, expected)
    losses = LeanModel(model).token_losses(batch)
    assert losses.mean().item() == pytest.approx(expected.mean().item(), rel=0.01)
    assert_close(gradients, gradients_of(model, losses), tolerance)


def test_rslora_and_few_targets_are_scaled_as_peft_scales_them(make_base: Any):
    folder = make_base("llama")
    model = make_model(folder, use_rslora=True, target_modules=["q_proj", "down_proj"])
    batch = collate(rows_of(folder))
    expected = token_losses(model, batch)
    torch.testing.assert_close(LeanModel(model).token_losses(batch), expected, atol=2e-5, rtol=1e-4)


def test_a_packed_conversations_loss_equals_its_loss_alone(make_base: Any):
    folder = make_base("llama")
    rows, lean = rows_of(folder), LeanModel(make_model(folder))
    packed = lean.token_losses(collate(rows))
    alone = [lean.token_losses(collate([row])) for row in rows]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_a_rows_dropout_does_not_depend_on_what_it_is_packed_with(make_base: Any):
    folder = make_base("llama")
    model = make_model(folder, dropout=0.3)
    rows, lean = rows_of(folder), LeanModel(model)

    def losses(chosen: Sequence[int], seed: int = 0) -> torch.Tensor:
        seeds = [seed + i for i in chosen]
        nothing_shared = [Beginning()] * len(seeds)
        return lean.token_losses(collate([rows[i] for i in chosen], seeds, 0.0, nothing_shared))

    packed = losses(range(5))
    torch.testing.assert_close(packed, torch.cat([losses([i]) for i in range(5)]))
    assert not torch.allclose(packed, losses(range(5), seed=100))
    model.eval()
    assert not torch.allclose(packed, losses(range(5)))


def test_the_share_of_dropped_values_is_what_was_asked_for(make_base: Any):
    from finetune.kernels.dropout import Dropout, Layout, Masks

    masks = Masks()
    masks.begin(Layout((300, 200), (1, 2)))
    ones = torch.ones(500, 64)
    dropout = Dropout(0.1, 3, masks)
    kept = dropout.apply(ones)
    assert 1 - kept.mean().item() == pytest.approx(0.1, abs=0.01)
    assert (kept * dropout.scale).mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(kept, Dropout(0.1, 3, masks).apply(ones))
    assert not torch.equal(kept, Dropout(0.1, 4, masks).apply(ones))


def test_gradient_checkpointing_leaves_gradients_as_they_are(make_base: Any):
    folder = make_base("llama")
    model, batch = make_model(folder), collate(rows_of(folder))
    lean = LeanModel(model)
    gradients = gradients_of(model, lean.token_losses(batch))
    model.activation_checkpointing_enable({"use_reentrant": False})
    assert_close(gradients, gradients_of(model, lean.token_losses(batch)), 1e-5)


def test_short_rows_have_torchs_gradients_in_float32_too():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, n, 19, 8, requires_grad=True) for n in (6, 2, 2))
    to = torch.randn(1, 6, 19, 8)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=0.3, enable_gqa=True
    )
    expected.backward(to)
    gradients = [each.grad.clone() for each in (query, key, value) if each.grad is not None]
    for each in (query, key, value):
        each.grad = None
    result: Any = ShortRow.apply(query, key, value, 0.3)
    torch.testing.assert_close(result, expected)
    result.backward(to)
    for each, gradient in zip((query, key, value), gradients, strict=True):
        assert each.grad is not None
        torch.testing.assert_close(each.grad, gradient, atol=1e-5, rtol=1e-4)


def test_a_taught_row_is_pulled_to_what_its_teacher_says(make_base: Any):
    folder = make_base("llama")
    rows, model = rows_of(folder), make_model(folder)
    expected = answer_logits(model, rows[:2]).log_softmax(-1).detach()
    lean = LeanModel(model)
    taught = teach(lean, rows[:2], 64, "cpu")
    assert lean.token_losses(collate(taught)).abs().max() < 1e-5  # nothing to learn of itself
    other = make_model(folder, rank=4)
    torch.nn.init.normal_(next(p for n, p in other.named_parameters() if "lora_B" in n), std=0.3)
    own = answer_logits(other, rows[:2]).log_softmax(-1)
    divergence = (expected.exp() * (expected - own)).sum(-1)
    gradients = gradients_of(other, divergence)
    lean = LeanModel(other)
    mixed = collate([rows[2], *taught, rows[3]])
    losses = lean.token_losses(mixed)
    torch.testing.assert_close(losses[mixed.is_taught], divergence, atol=2e-5, rtol=1e-4)
    labelled = lean.token_losses(collate([rows[2], rows[3]]))
    torch.testing.assert_close(losses[~mixed.is_taught], labelled, atol=2e-5, rtol=1e-4)
    found = gradients_of(other, losses[mixed.is_taught])
    assert_close(gradients, found, 1e-3)
