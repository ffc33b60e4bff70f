"""The loss of answers, against the same computed in the plain way."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from finetune.bases.base import Base, load_model
from finetune.kernels.batch import collate
from finetune.kernels.padded import token_losses
from finetune.training.config import TrainConfig
from finetune.training.loss import answer_loss
from finetune.training.peft_model import add_adapter
from finetune.training.rows import build_rows

TEXTS = [
    ("患者：失眠多梦？", "多属心脾两虚。"),
    ("chain", "Check it."),
    ("q", "a longer answer " * 4),
    ("first", "one", "second", "二"),
]


@pytest.fixture(scope="module", params=["chatml", "llama2"])
def base(request: pytest.FixtureRequest, make_base: Any, templates: dict[str, str]) -> Base:
    folder: Path = make_base("llama", templates[request.param])
    return Base("tiny", folder)


@pytest.fixture(scope="module")
def model(base: Base) -> Any:
    return load_model(base, "fp32", "cpu")


@pytest.fixture(scope="module")
def rows(base: Base) -> list[Rendered]:
    conversations = [
        Conversation(
            tuple(Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))
        )
        for texts in TEXTS
    ]
    built, _ = build_rows(conversations, ChatRenderer(base.tokenizer), 512)
    return built


def reference(model: Any, row: Rendered) -> float:
    """transformers' own loss with labels of -100 where nothing is trained, summed."""
    labels = [t if trained else -100 for t, trained in zip(row.token_ids, row.trained, strict=True)]
    with torch.no_grad():
        output = model(input_ids=torch.tensor([row.token_ids]), labels=torch.tensor([labels]))
    return output.loss.item() * row.num_trained


def test_packed_rows_have_the_losses_that_they_have_alone(model: Any, rows: list[Rendered]):
    packed = answer_loss(model, rows, 10_000, "cpu")
    alone = answer_loss(model, rows, 1, "cpu")
    assert packed.counts == alone.counts
    assert packed.sums == pytest.approx(alone.sums, abs=1e-4)


def test_the_order_within_a_pack_changes_no_loss(model: Any, rows: list[Rendered]):
    forward = answer_loss(model, rows, 10_000, "cpu")
    backward = answer_loss(model, rows[::-1], 10_000, "cpu")
    assert backward.sums[::-1] == pytest.approx(forward.sums, abs=1e-4)


def test_the_loss_is_that_of_transformers(model: Any, rows: list[Rendered]):
    expected = [reference(model, row) for row in rows]
    found = answer_loss(model, rows, 10_000, "cpu")
    assert found.sums == pytest.approx(expected, abs=1e-3)
    assert found.counts == tuple(row.num_trained for row in rows)
    mean = sum(expected) / sum(found.counts)
    assert found.per_token == pytest.approx(mean, abs=1e-4)


def test_only_answers_and_their_end_tokens_count(base: Base, rows: list[Rendered]):
    end = base.tokenizer.eos_token
    for row, texts in zip(rows, TEXTS, strict=True):
        counted = [t for t, trained in zip(row.token_ids, row.trained, strict=True) if trained]
        spoken = base.tokenizer.decode(counted).replace(" ", "")
        assert spoken == "".join(text + end for text in texts[1::2]).replace(" ", "")
        assert collate([row]).labels.tolist() == counted


def test_evaluation_ignores_dropout_and_leaves_it_on(base: Base, rows: list[Rendered]):
    config = TrainConfig.model_validate({})
    model = add_adapter(load_model(base, "fp32", "cpu"), config, 0.5)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.train()
    first, second = (answer_loss(model, rows, 10_000, "cpu") for _ in range(2))
    assert first == second
    dropouts = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert dropouts
    assert all(module.training for module in dropouts)
    batch = collate(rows)
    assert not torch.equal(token_losses(model, batch), token_losses(model, batch))
