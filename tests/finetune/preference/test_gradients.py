"""A step's gradient through the judge's weights is that of the whole loss in one pass."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from finetune.bases.base import Base, load_model
from finetune.kernels.batch import collate
from finetune.kernels.padded import token_losses
from finetune.preference.judges import DpoJudge, KtoJudge
from finetune.preference.losses import dpo, examples, kto
from finetune.preference.rows import JudgedRow, render_pairs, render_ratings, with_mismatched
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent
from finetune.training.peft_model import add_adapter
from finetune.training.plan import Judge, make_plan
from finetune.training.trainer import Trainer

BETA = 0.3
NUM = 4


class Bench:
    """The same tiny model twice: as it is trained, and as it comes."""

    def __init__(self, folder: Path, run: Path, budget: int) -> None:
        self.base = Base("tiny", folder)
        self.renderer = ChatRenderer(self.base.tokenizer)
        self.config = TrainConfig.model_validate({"micro_batch_tokens": budget})
        self.run = run
        self.plain = self._model()

    def _model(self) -> Any:
        model = add_adapter(load_model(self.base, "fp32", "cpu"), self.config, 0.0)
        torch.manual_seed(5)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)
            elif "lora_A" in name:
                torch.nn.init.normal_(weight, std=0.2)
        return model

    def learned(self, rows: list[JudgedRow], judge: Judge) -> tuple[float, dict[str, Any]]:
        """A step's loss and its gradient, as the trainer has them."""
        model, plan = self._model(), make_plan(self.config, [9, 9], 64)
        trainer = Trainer(model, plan, self.config, self.run, "cpu", Silent(), judge=judge)
        loss, weights = judge(rows, [-each for each in trainer.row_losses(rows)])
        trainer.gradients.accumulate(rows, range(len(rows)), weights)
        return loss, {name: p.grad for name, p in model.named_parameters() if p.requires_grad}

    def above(self, rows: list[JudgedRow]) -> tuple[Any, Any]:
        """The log-likelihoods of answers, and how far they are above the reference: [rows]."""
        found = torch.stack([-token_losses(self.plain, collate([row])).sum() for row in rows])
        return found, found - torch.tensor([row.reference for row in rows])


@pytest.fixture(params=[4096, 60])
def bench(make_base: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(make_base("llama"), tmp_path, request.param)


def conversation(number: int, **judged: Any) -> Conversation:
    said = (Message("user", f"问题{number}？"), Message("assistant", f"回答{number}。" * number))
    return Conversation(said, **judged)


def with_references(rows: list[JudgedRow]) -> list[JudgedRow]:
    return [
        JudgedRow(row.token_ids, row.trained, row.part, -5.0 * row.num_trained + number)
        for number, row in enumerate(rows)
    ]


def check(bench: Bench, found: tuple[float, dict[str, Any]], expected: Any) -> None:
    expected.backward()
    assert found[0] == pytest.approx(expected.item(), rel=1e-5)
    gradients: dict[str, Any] = {
        name: p.grad for name, p in bench.plain.named_parameters() if p.requires_grad
    }
    assert found[1].keys() == gradients.keys()
    for name, gradient in gradients.items():
        bound = 1e-4 * gradient.abs().max().item()
        assert torch.allclose(found[1][name], gradient, rtol=1e-4, atol=bound), name
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())


@pytest.mark.parametrize("by_length", [False, True])
def test_of_pairs(bench: Bench, by_length: bool):
    other = (Message("assistant", "不知道。"),)
    pairs = [conversation(n, rejected=other) for n in range(1, NUM + 1)]
    judgements = render_pairs(pairs, bench.renderer, 512)
    rows = with_references([row for each in judgements for row in each])
    found = bench.learned(rows, DpoJudge(BETA, by_length))
    own, above = bench.above(rows)
    counts = torch.tensor([row.num_trained for row in rows])
    lengths = (counts[::2], counts[1::2]) if by_length else None
    loss = dpo(above[::2], above[1::2], BETA, lengths)
    check(bench, found, loss + examples(own[::2], int(counts[::2].sum())))


def test_of_ratings(bench: Bench):
    rated = [conversation(n, is_good=n % 2 == 0) for n in range(1, NUM + 1)]
    step = with_mismatched(render_ratings(rated, bench.renderer, 512))
    rows = with_references([row for each in step for row in each])
    found = bench.learned(rows, KtoJudge(BETA, (1.5, 1.0)))
    above = bench.above(rows)[1]
    good, bad = above[2::4], above[0::4]
    check(bench, found, kto(good, bad, above[1::2], BETA, (1.5, 1.0)))
