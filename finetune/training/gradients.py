"""The loss of one optimizer step and its gradient, in micro-batches that fit into memory."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeVar

from data.chat import Rendered
from data.wording import _
from finetune.errors import Hopeless
from finetune.hardware import free_memory
from finetune.kernels.batch import Batch, collate, pack
from finetune.kernels.beginnings import Beginning, common_beginnings

from .processes import Processes

Value = TypeVar("Value")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A row of a step."""

    row: Rendered
    seed: int  # of its dropout
    weight: float
    beginning: Beginning


class Gradients:
    """Owns the size of micro-batches: it is halved when memory runs out, the step done again."""

    def __init__(
        self,
        token_losses: Callable[[Batch], Any],
        parameters: Sequence[Any],
        micro_batch_tokens: int,
        device: str,
        processes: Processes,
        prompt_weight: float = 0.0,
        margin: float = 0.0,
    ) -> None:
        """Where there is a margin [nats], a label's loss counts from there on alone."""
        self._margin = margin
        self.token_losses = token_losses
        self.micro_batch_tokens = micro_batch_tokens
        self._parameters = parameters
        self._device = device
        self._processes = processes
        self._prompt_weight = prompt_weight

    def accumulate(
        self,
        rows: Sequence[Rendered],
        seeds: Sequence[int],
        weights: Sequence[float] | None = None,
    ) -> float:
        """Leave the window's gradient in the parameters; returns its loss in nats per trained
        token, whatever the micro-batches and processes. With `weights`, one a row, it is the sum of
        the rows' losses times these.

        Raises Hopeless where memory does not even suffice for one row.
        """
        total_weight = sum(row.num_trained for row in rows) + self._prompt_weight * sum(
            len(row.token_ids) - 1 - row.num_trained for row in rows
        )
        each = [1.0] * len(rows) if weights is None else weights
        beginnings = common_beginnings(rows, seeds)
        own = self._processes.share([len(row.token_ids) for row in rows])
        mine = [Weighed(rows[i], seeds[i], each[i], beginnings[i]) for i in own]
        divisor = total_weight if weights is None else 1.0
        loss = self.within_memory(rows, lambda budget: self._add(mine, divisor, budget))
        self._fill_missing()
        self._processes.add([parameter.grad for parameter in self._parameters])
        return self._processes.total(loss)[0]

    def within_memory(self, rows: Sequence[Rendered], compute: Callable[[int], Value]) -> Value:
        """What `compute` makes of the rows with a budget of tokens at a time, halved for every
        process and for good wherever memory runs out in one. Raises Hopeless as `accumulate`."""
        while True:
            try:
                result = compute(self.micro_batch_tokens)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                result = None
            if not self._processes.any(result is None) and result is not None:
                return result
            self._halve(rows)

    def _add(self, rows: Sequence[Weighed], divisor: float, budget: int) -> float:
        import torch

        loss = 0.0
        for own in _micro_batches([each.row for each in rows], budget):
            mine = rows[own]
            batch = collate(
                [each.row for each in mine],
                [each.seed for each in mine],
                self._prompt_weight,
                [each.beginning for each in mine],
            ).to(self._device)
            losses = self.token_losses(batch)
            if self._margin:
                losses = losses.where(batch.is_taught, (losses - self._margin).relu())
            of_row = torch.tensor([each.weight for each in mine], device=self._device)[batch.row_of]
            part = (losses * batch.weights * of_row).sum() / divisor
            part.backward()
            loss += part.item()
        return loss

    def _halve(self, rows: Sequence[Rendered]) -> None:
        for parameter in self._parameters:
            parameter.grad = None
        free_memory(self._device)
        before = self.micro_batch_tokens
        if all(len(group) == 1 for group in pack(rows, before)):
            longest = max(len(row.token_ids) for row in rows)
            told = _(
                "Memory ran out with a single conversation of up to {longest} tokens; the last "
                "checkpoint is kept. Go on with --resume --set gradient_checkpointing=true, or "
                "start anew with shorter ones, such as --set max_tokens={shorter}, or with a "
                "smaller base."
            )
            raise Hopeless(told.format(longest=longest, shorter=longest // 2))
        self.micro_batch_tokens = before // 2
        told = _(
            "Memory ran out with {before} tokens at a time; going on with {now} (the effective "
            "batch stays the same). Set micro_batch_tokens={now} to begin with it next time"
        )
        logger.warning("%s", told.format(before=before, now=before // 2))

    def _fill_missing(self) -> None:
        """Give zeros to what this process has no rows for, and to what no row reaches."""
        import torch

        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


def is_out_of_memory(error: BaseException) -> bool:
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, Exception) and (
        isinstance(error, MemoryError) or should_reduce_batch_size(error)
    )


def _micro_batches(rows: Sequence[Rendered], budget: int) -> list[slice]:
    ends = [*accumulate(len(group) for group in pack(rows, budget))]
    return [slice(begin, end) for begin, end in pairwise([0, *ends])]
