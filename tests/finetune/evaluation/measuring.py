"""Measurements made up for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from finetune.adapters.card import DataSummary
from finetune.evaluation.answers import Answer
from finetune.evaluation.bootstrap import difference
from finetune.evaluation.compare import Measured
from finetune.evaluation.leakage import Leakage
from finetune.evaluation.likelihood import Likelihood, compare_losses
from finetune.evaluation.report import History, Report
from finetune.evaluation.samples import Sample, Samples
from finetune.evaluation.text_scores import chrf, score
from finetune.training.loss import AnswerLoss
from finetune.training.observer import StepMetrics

SHOWN = [
    Sample(
        "我最近失眠多梦，怎么办？",
        "这多属心脾两虚。宜早睡，可食百合莲子粥。",
        Answer("你好，我是一个助手。", 12, False),
        Answer("这多属心脾两虚。宜早睡，忌浓茶。", 20, True),
    ),
    Sample(
        "胃胀 <b>怎么办</b>？",
        "宜少食多餐。",
        Answer("<script>", 3, True),
        Answer("宜多餐。", 5, True),
    ),
]


def likelihood(baseline: float, adapter: float, *, spread: float = 0.1) -> Likelihood:
    """Ten rows of 20 tokens and 25 characters; `spread` is what single rows differ by."""
    signs = [-1, 1] * 5
    base, other = (
        AnswerLoss(tuple(20 * (level + sign * way * spread) for sign in signs), (20,) * 10)
        for level, way in ((baseline, 1), (adapter, -1))
    )
    return compare_losses(base, other, [25] * 10)


def measured(
    unseen: Likelihood | None = None, trained: Likelihood | None = None, **others: Any
) -> Measured:
    unseen = unseen or likelihood(3.0, 2.0)
    general = others.get("general", {"English": likelihood(3.0, 3.0)})
    trained_share, held_out_share = others.get("shares", (0.2, 0.1))
    trained = trained or likelihood(3.0, 1.9)
    shown: list[Sample] = others.get("shown", SHOWN)
    texts = [sample.reference for sample in shown]
    samples = Samples(
        64,
        30,
        shown,
        score([sample.baseline for sample in shown], texts),
        score([sample.adapter for sample in shown], texts),
        chrf([*texts[1:], *texts[:1]], texts),
    )
    shortfall = difference(unseen.nll.difference, trained.nll.difference)
    leakage = Leakage(trained_share, held_out_share, 8, 8, "心脾两虚。", 3, trained, shortfall)
    return Measured("fp32", unseen, True, general, samples, leakage)


def steps(held_out: Sequence[float]) -> list[StepMetrics]:
    """One evaluation after every fourth step."""
    count = 4 * len(held_out)
    return [
        StepMetrics(
            step=step,
            num_steps=count,
            loss=3.5 / step**0.2,
            learning_rate=1e-3 * (1 - step / (count + 1)),
            grad_norm=1.0,
            tokens_per_second=200.0,
            trained_tokens_per_second=100.0,
            memory_bytes=1 << 30,
            eval_loss=held_out[step // 4 - 1] if step % 4 == 0 else None,
        )
        for step in range(1, count + 1)
    ]


def report(found: Measured | None = None, history: History | None = None) -> Report:
    summary = DataSummary(
        source="医案.txt", sha256="0" * 64, num_conversations=72, num_trained=62, num_held_out=10
    )
    return Report(
        name="中医",
        base_id="tiny",
        baseline="the base",
        data=summary,
        measured=found or measured(),
        history=history,
        disclaimer="不是医生。",
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )


HISTORY = History(steps([2.8, 2.5, 2.3, 2.2, 2.3, 2.4]), 2.21, {"steps": "24", "rank": "16"})
