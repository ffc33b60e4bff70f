"""Two ways to answer with one base in memory: a baseline and an adapter.

The baseline is the base alone, or another adapter. Each side renders with its own chat template
and system prompt, as a server would.
"""

import copy
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation
from finetune.bases.base import Base, load_model
from finetune.free_cores import FreeCores
from finetune.hardware import WEIGHT_BYTES, Precision, device_memory, wide_precision
from finetune.training.loss import AnswerLoss, answer_loss
from finetune.training.peft_model import load_adapter
from finetune.training.rows import build_rows, with_system

from .answers import Answer, last_prompt, write_answers
from .likelihood import Likelihood, compare_losses, count_characters

MOST_MERGED = 1 << 30  # [bytes] of a base that is copied, to have an adapter's weights added to it
IN_FULL = 0.75  # of the memory that a base may take to be compared in full


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


def comparing_precision(num_parameters: int, device: str, memory_bytes: int) -> Precision:
    """The precision to compare in: as wide as the device runs well; in 4 bits, as in training,
    where that would not fit."""
    wide = wide_precision(device)
    if num_parameters * WEIGHT_BYTES[wide] > IN_FULL * memory_bytes:
        return "nf4"
    return wide


class Pair:
    """Owns the models that both sides answer with.

    Of a small base each side has a copy with its adapter merged into the weights: answers are
    then written without the adapter's own products. A large base both sides share.
    """

    def __init__(
        self, base: Base, baseline: Side, adapter: Side, device: str, batch_tokens: int
    ) -> None:
        import torch

        self.base = base
        self.baseline = baseline
        self.adapter = adapter
        self.device = device
        self.precision: Precision = comparing_precision(
            base.num_parameters, device, device_memory(device)
        )
        self.batch_tokens = batch_tokens  # packed into one forward pass
        self.on_work: Callable[[int, int], None] = lambda *_: (
            None
        )  # told tokens read, steps written
        self._cores = FreeCores(torch.get_num_threads())
        self._shared: Any = None  # the model of both, with all adapters
        self._own: list[Any] = []  # or one of the baseline, one of the adapter
        self._load()

    def _load(self) -> None:
        model = load_model(self.base, self.precision, self.device).eval()
        if self.precision == "fp32" and _num_bytes(model) <= MOST_MERGED:
            self._own = [_merged(model, side) for side in (self.baseline, self.adapter)]
            return
        assert self.adapter.adapter is not None
        self._shared = load_adapter(model, self.adapter.adapter).eval()
        if self.baseline.adapter is not None:
            self._shared.load_adapter(str(self.baseline.adapter), "baseline")

    def compare(self, rows: PairedRows) -> Likelihood:
        """How likely each side finds the answers."""
        characters = count_characters(rows.adapter, self.base.tokenizer)
        return compare_losses(
            self.loss(self.baseline, rows.baseline),
            self.loss(self.adapter, rows.adapter),
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
        with self._speaking(side) as model:
            return write_answers(
                model,
                self.base.tokenizer,
                prompts,
                side.renderer.end_ids,
                max_tokens,
                self.device,
                lambda num_steps: self.on_work(0, num_steps),
            )

    def loss(self, side: Side, rows: Sequence[Rendered]) -> AnswerLoss:
        """How likely one side finds the answers."""
        with self._speaking(side) as model:
            return answer_loss(
                model,
                rows,
                self.batch_tokens,
                self.device,
                on_read=lambda num_tokens: self.on_work(num_tokens, 0),
            )

    @contextmanager
    def _speaking(self, side: Side) -> Generator[Any]:
        """Its model, computing with the cores that are free."""
        import torch

        if self.device == "cpu":
            self._cores.use()
        try:
            with self._as(side) as model:
                yield model
        finally:
            torch.set_num_threads(self._cores.most)

    @contextmanager
    def _as(self, side: Side) -> Generator[Any]:
        if self._own:
            yield self._own[side is self.adapter]
            return
        if side.adapter is not None:
            self._shared.set_adapter("default" if side is self.adapter else "baseline")
        with self._shared.disable_adapter() if side.adapter is None else nullcontext():
            yield self._shared


def _merged(model: Any, side: Side) -> Any:
    """The model itself where a side has no adapter, else a copy with it."""
    if side.adapter is None:
        return model
    return load_adapter(copy.deepcopy(model), side.adapter).merge_and_unload().eval()


def _num_bytes(model: Any) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())
