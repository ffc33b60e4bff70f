"""Two ways to answer with one base in memory: a baseline and an adapter.

The baseline is the base alone, or another adapter. Each side renders with its own chat template
and system prompt, as a server would.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation

from .answers import Answer, last_prompt, write_answers
from .base import Base, load_model
from .evaluate import AnswerLoss, answer_loss
from .hardware import Precision, wide_precision
from .likelihood import Likelihood, compare_losses, count_characters
from .peft_model import load_adapter
from .rows import build_rows, with_system


@dataclass(frozen=True, slots=True)
class Side:
    name: str  # as the reader knows it
    adapter: Path | None  # None: the base alone
    renderer: ChatRenderer
    system: str | None = None


@dataclass(frozen=True, slots=True)
class PairedRows:
    """The same conversations as either side sees them."""

    baseline: Sequence[Rendered]
    adapter: Sequence[Rendered]

    def __getitem__(self, chosen: slice) -> "PairedRows":
        return PairedRows(self.baseline[chosen], self.adapter[chosen])


def render_pair(
    baseline: Side, adapter: Side, conversations: Sequence[Conversation], max_tokens: int
) -> PairedRows:
    """Raises DataError for what a template refuses or what is too long."""
    rows = [
        build_rows(with_system(conversations, side.system), side.renderer, max_tokens)[0]
        for side in (baseline, adapter)
    ]
    return PairedRows(*rows)


class Pair:
    """Owns the model that both sides answer with."""

    def __init__(
        self, base: Base, baseline: Side, adapter: Side, device: str, batch_tokens: int
    ) -> None:
        self.base = base
        self.baseline = baseline
        self.adapter = adapter
        self.device = device
        self.precision: Precision = wide_precision(device)
        self._batch_tokens = batch_tokens  # packed into one forward pass
        self._model = self._load()

    def _load(self) -> Any:
        assert self.adapter.adapter is not None
        model = load_adapter(
            load_model(self.base, self.precision, self.device), self.adapter.adapter
        )
        if self.baseline.adapter is not None:
            model.load_adapter(str(self.baseline.adapter), "baseline")
        model.eval()
        return model

    def compare(self, rows: PairedRows) -> Likelihood:
        """How likely each side finds the answers."""
        characters = count_characters(rows.adapter, self.base.tokenizer)
        return compare_losses(
            self._loss(self.baseline, rows.baseline),
            self._loss(self.adapter, rows.adapter),
            characters,
        )

    def answer(self, rows: PairedRows, max_tokens: int) -> list[tuple[Answer, Answer]]:
        """What each side writes where the rows have their last answers."""
        baseline, adapter = (
            self.write(side, [last_prompt(row) for row in each], max_tokens)
            for side, each in ((self.baseline, rows.baseline), (self.adapter, rows.adapter))
        )
        return list(zip(baseline, adapter, strict=True))

    def write(self, side: Side, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[Answer]:
        """Greedy answers of one side."""
        with self._speaking(side):
            return write_answers(
                self._model,
                self.base.tokenizer,
                prompts,
                side.renderer.end_ids,
                max_tokens,
                self.device,
            )

    def _loss(self, side: Side, rows: Sequence[Rendered]) -> AnswerLoss:
        with self._speaking(side):
            return answer_loss(self._model, rows, self._batch_tokens, self.device)

    @contextmanager
    def _speaking(self, side: Side) -> Generator[None]:
        if side.adapter is not None:
            self._model.set_adapter("default" if side is self.adapter else "baseline")
        with self._model.disable_adapter() if side.adapter is None else nullcontext():
            yield
