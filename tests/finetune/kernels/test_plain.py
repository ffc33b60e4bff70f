"""A model of a family that our kernels do not know computes what transformers and PEFT compute."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from data.chat import Rendered
from finetune.bases.base import Base, load_model
from finetune.hardware import Precision
from finetune.kernels.batch import collate
from finetune.kernels.choice import choose_core
from finetune.kernels.model import LeanModel
from finetune.kernels.padded import pad
from finetune.kernels.plain import PlainModel
from finetune.training.config import TrainConfig
from finetune.training.going_on.teacher import teach
from finetune.training.peft_model import add_adapter, save_adapter
from tests.finetune.kernels.models import (
    answer_logits,
    assert_close,
    gradients_of,
    losses_alone,
    make_model,
    rows_of,
)

OTHERS = ["gemma", "gemma2", "gemma3_text", "phi", "phi3", "glm"]


@pytest.mark.parametrize("family", OTHERS)
def test_losses_and_gradients_equal_those_of_each_row_alone(family: str, make_base: Any):
    folder = make_base(family)
    model, rows = make_model(folder), rows_of(folder)
    expected = losses_alone(model, rows)
    gradients = gradients_of(model, expected)
    core = choose_core(model)
    assert isinstance(core, PlainModel)
    batch = collate(rows)
    losses = core.token_losses(batch)
    means = torch.stack([losses[batch.row_of == i].mean() for i in range(len(rows))])
    torch.testing.assert_close(means, expected, atol=2e-5, rtol=1e-4)
    assert_close(gradients, gradients_of(model, means), 1e-4)


def test_families_of_ours_keep_our_kernels(make_base: Any):
    core = choose_core(make_model(make_base("qwen3")))
    assert isinstance(core, LeanModel)
    assert core.name == "lora-chat's own kernels"


@pytest.mark.parametrize("precision", ["nf4", "int8", "bf16"])
def test_quantized_and_16_bit_bases_have_their_own_losses(precision: Precision, make_base: Any):
    model, rows = make_model(make_base("phi"), precision), rows_of(make_base("phi"))
    batch = collate(rows)
    losses = choose_core(model).token_losses(batch)
    losses.mean().backward()
    means = torch.stack([losses[batch.row_of == i].mean() for i in range(len(rows))])
    torch.testing.assert_close(means, losses_alone(model, rows).float(), atol=0.05, rtol=0.02)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("family", ["gemma2", "phi"])
def test_gradient_checkpointing_leaves_gradients_as_they_are(family: str, make_base: Any):
    model, batch = make_model(make_base(family)), collate(rows_of(make_base(family)))
    core = choose_core(model)
    gradients = gradients_of(model, core.token_losses(batch))
    model.activation_checkpointing_enable({"use_reentrant": False})
    assert_close(gradients, gradients_of(model, core.token_losses(batch)), 1e-5)


def test_the_same_seeds_drop_the_same_and_others_do_not(make_base: Any):
    folder = make_base("gemma2")
    config = TrainConfig.model_validate({"rank": 4})
    model = add_adapter(load_model(Base("tiny", folder), "fp32", "cpu"), config, 0.3).train()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    rows, core = rows_of(folder), choose_core(model)
    first, again, other = (
        core.token_losses(collate(rows, [seed] * len(rows))) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_the_base_itself_drops_nothing(make_base: Any):
    folder = make_base("phi")
    model = load_model(Base("tiny", folder), "fp32", "cpu")
    dropouts = [each for each in model.modules() if isinstance(each, torch.nn.Dropout)]
    assert dropouts
    for each in dropouts:
        each.p = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    core = choose_core(add_adapter(model, TrainConfig.model_validate({}), 0.0).train())
    first, other = (core.token_losses(collate(rows_of(folder), [i] * 5)) for i in (1, 2))
    assert torch.equal(first, other)


def test_a_taught_row_is_pulled_to_what_its_teacher_says(make_base: Any):
    folder = make_base("gemma2")  # whose head is more than a product: logits are capped
    rows, model = rows_of(folder), make_model(folder)
    expected = answer_logits(model, rows[:2]).log_softmax(-1).detach()
    taught = teach(choose_core(model), rows[:2], 64, "cpu")
    assert choose_core(model).token_losses(collate(taught)).abs().max() < 1e-5
    other = make_model(folder)
    torch.nn.init.normal_(next(p for n, p in other.named_parameters() if "lora_B" in n), std=0.3)
    own = answer_logits(other, rows[:2]).log_softmax(-1)
    mixed = collate([rows[2], *taught, rows[3]])
    losses, core = choose_core(other).token_losses(mixed), choose_core(other)
    divergence = (expected.exp() * (expected - own)).sum(-1)
    torch.testing.assert_close(losses[mixed.is_taught], divergence, atol=2e-5, rtol=1e-4)
    labelled = core.token_losses(collate([rows[2], rows[3]]))
    torch.testing.assert_close(losses[~mixed.is_taught], labelled, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", OTHERS)
def test_peft_loads_what_is_saved_and_has_the_same_logits(
    family: str, make_base: Any, tmp_path: Path
):
    folder = make_base(family)
    model, rows = make_model(folder).eval(), rows_of(folder)
    save_adapter(model, tmp_path, "tiny")
    base = AutoModelForCausalLM.from_pretrained(folder)
    loaded = PeftModel.from_pretrained(base, str(tmp_path)).eval()
    torch.testing.assert_close(answer_logits(loaded, rows), answer_logits(model, rows))


def test_rows_of_very_different_lengths_are_not_padded_to_the_longest(make_base: Any):
    folder = make_base("phi3")
    model, rows = make_model(folder), rows_of(folder)
    row = rows[0]
    long = Rendered(row.token_ids * 9, row.trained * 9)
    mixed = [rows[0], long, rows[1], long, rows[2]]
    batch = collate(mixed)
    num_tokens = batch.input_ids.shape[1]
    parts = pad(batch)
    assert len(parts) > 1
    assert sum(part.ids.numel() for part in parts) < 2 * num_tokens
    losses = choose_core(model).token_losses(batch)
    means = torch.stack([losses[batch.row_of == i].mean() for i in range(len(mixed))])
    torch.testing.assert_close(means, losses_alone(model, mixed), atol=2e-5, rtol=1e-4)
