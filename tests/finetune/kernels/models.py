"""Tiny models with an adapter, rows for them, and what they make of these."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from finetune.bases.base import Base, load_model
from finetune.hardware import Precision
from finetune.kernels.batch import collate
from finetune.training.config import TrainConfig
from finetune.training.peft_model import add_adapter
from finetune.training.rows import build_rows

CONVERSATIONS = [
    Conversation((Message("user", f"问题{i}: my chain" * i), Message("assistant", "Right. " * i)))
    for i in range(1, 6)
]
Gradients = dict[str, torch.Tensor]


def rows_of(folder: Path) -> list[Rendered]:
    return build_rows(CONVERSATIONS, ChatRenderer(Base("tiny", folder).tokenizer), 512)[0]


def make_model(folder: Path, precision: Precision = "fp32", **options: Any) -> Any:
    """With an adapter whose B is not zero, so that every gradient is there."""
    config = TrainConfig.model_validate({"rank": 4, **options})
    model = add_adapter(
        load_model(Base("tiny", folder), precision, "cpu"), config, config.dropout or 0.0
    )
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.train()


def gradients_of(model: Any, losses: torch.Tensor) -> Gradients:
    model.zero_grad()
    losses.mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_close(left: Gradients, right: Gradients, tolerance: float) -> None:
    assert left.keys() == right.keys()
    for name, gradient in left.items():
        difference = (gradient - right[name]).norm() / gradient.norm()
        assert difference < tolerance, name


def answer_logits(model: Any, rows: Sequence[Rendered]) -> torch.Tensor:
    """PEFT's own, [trained, vocabulary], row by row."""
    batches = map(collate, ([row] for row in rows))
    found = [
        model(input_ids=batch.input_ids, use_cache=False).logits[0, batch.predicting]
        for batch in batches
    ]
    return torch.cat(found)


def losses_alone(model: Any, rows: Sequence[Rendered]) -> torch.Tensor:
    """By transformers' own loss, a row at a time."""
    losses: list[torch.Tensor] = []
    for row in rows:
        labels = [i if told else -100 for i, told in zip(row.token_ids, row.trained, strict=True)]
        found = model(input_ids=torch.tensor([row.token_ids]), labels=torch.tensor([labels]))
        losses.append(found.loss)
    return torch.stack(losses)
