"""Base and adapter on the same held-out rows, without 4-bit weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.chat import ChatRenderer, Rendered

from .base import Base, load_model
from .config import TrainConfig
from .dataset import Dataset
from .evaluate import answer_loss
from .hardware import wide_precision
from .peft_model import load_adapter
from .report import Comparison
from .samples import Sample, generate_samples


@dataclass(frozen=True, slots=True)
class Measured:
    precision: str
    comparison: Comparison
    samples: Sequence[Sample]


def compare(
    base: Base,
    renderer: ChatRenderer,
    dataset: Dataset,
    config: TrainConfig,
    adapter: Path,
    device: str,
    announce: Callable[[str], None],
) -> Measured:
    """Measure both; `announce` is told each stage before it begins."""
    precision = wide_precision(device)
    announce(f"Comparing base and adapter on held-out rows in {precision}")
    model = load_adapter(load_model(base, precision, device), adapter)
    model.eval()
    comparison = _measure(model, dataset.held_out, config.micro_batch_tokens, device)
    samples: list[Sample] = []
    if config.report_samples:
        announce("Writing sample answers for the report")
        asked = dataset.held_out_conversations[: config.report_samples]
        samples = generate_samples(
            model, base.tokenizer, renderer, asked, config.report_tokens, device
        )
    return Measured(precision, comparison, samples)


def _measure(model: Any, held_out: Sequence[Rendered], budget: int, device: str) -> Comparison:
    with model.disable_adapter():
        base = answer_loss(model, held_out, budget, device)
    return Comparison(base, answer_loss(model, held_out, budget, device))
