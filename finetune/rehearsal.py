"""What a run will take, told from a few of its steps before it starts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from data.chat import Rendered
from finetune.kernels.batch import pack

from .finish import report_seconds
from .hardware import peak_memory
from .prepared import Prepared
from .training.dataset import Dataset
from .training.loss import answer_loss
from .training.plan import Plan
from .training.trainer import Trainer

MEASURED = 3  # steps, after a first one that warms up
EVALUATED = 4  # held-out rows


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The plan, and how long it takes on this machine."""

    prepared: Prepared
    num_trained_tokens: int  # over all steps, answers alone
    tokens_per_second: float  # while training, prompts included
    training_seconds: float
    evaluation_seconds: float  # all evaluations
    report_seconds: float
    memory_bytes: int  # at the highest

    @property
    def plan(self) -> Plan:
        return self.prepared.plan

    @property
    def dataset(self) -> Dataset:
        return self.prepared.dataset

    @property
    def seconds(self) -> float:
        """A run's seconds without the report; one whose held-out loss falls no more ends sooner."""
        return self.training_seconds + self.evaluation_seconds

    def scaled(self, prepared: Prepared) -> "Rehearsal":
        """The rehearsal of another run that is as fast."""
        plan = prepared.plan
        one = self.evaluation_seconds / len(self.plan.eval_steps)
        return replace(
            self,
            prepared=prepared,
            num_trained_tokens=_num_trained(prepared),
            training_seconds=_num_tokens(prepared) / self.tokens_per_second,
            evaluation_seconds=len(plan.eval_steps) * one,
        )


def rehearse(trainer: Trainer, prepared: Prepared) -> Rehearsal:
    """Compute gradients of the window with the largest micro-batch, for memory, and of a few first
    ones, for time; weights stay as they are."""
    plan, rows, held_out = prepared.plan, prepared.dataset.rows, prepared.dataset.held_out
    sizes = [sum(len(rows[i].token_ids) for i in window) for window in plan.windows]
    budget = trainer.gradients.micro_batch_tokens
    packs = [_largest_pack([rows[i] for i in window], budget) for window in plan.windows]
    largest = packs.index(max(packs))
    trainer.model.train()

    def compute(step: int) -> None:
        window = [rows[i] for i in plan.windows[step]]
        trainer.gradients.accumulate(window, range(len(window)))

    compute(largest)
    chosen = [*range(min(MEASURED, len(sizes)))]
    seconds = _seconds(lambda: [compute(step) for step in chosen])
    rate = sum(sizes[step] for step in chosen) / seconds
    trainer.optimizer.zero_grad(set_to_none=True)
    num_held_out = sum(len(row.token_ids) for row in held_out)
    evaluation_seconds = _evaluation_seconds(trainer, held_out)
    return Rehearsal(
        prepared=prepared,
        num_trained_tokens=_num_trained(prepared),
        tokens_per_second=rate,
        training_seconds=_num_tokens(prepared) / rate,
        evaluation_seconds=len(plan.eval_steps) * evaluation_seconds,
        report_seconds=report_seconds(prepared, num_held_out / evaluation_seconds),
        memory_bytes=peak_memory(trainer.device) + _moments(trainer),
    )


def _num_tokens(prepared: Prepared) -> float:
    """Those of all steps; the second stage reads its own twice more, a third of the work each."""
    return prepared.plan.num_tokens + prepared.num_later_tokens * 5 / 3


def _num_trained(prepared: Prepared) -> int:
    rows = prepared.dataset.rows
    return sum(rows[i].num_trained for window in prepared.plan.windows for i in window)


def _largest_pack(rows: Sequence[Rendered], budget: int) -> int:
    return max(sum(len(row.token_ids) for row in group) for group in pack(rows, budget))


def _evaluation_seconds(trainer: Trainer, held_out: Sequence[Rendered]) -> float:
    some = held_out[:EVALUATED]
    budget, losses = trainer.gradients.micro_batch_tokens, trainer.core.token_losses
    seconds = _seconds(lambda: answer_loss(trainer.model, some, budget, trainer.device, losses))
    measured, total = (sum(len(row.token_ids) for row in each) for each in (some, held_out))
    return seconds * total / measured


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _moments(trainer: Trainer) -> int:
    """[bytes] of AdamW's two moments, which come with the first step."""
    return sum(2 * p.numel() * p.element_size() for p in trainer.parameters)
