"""The loss of one optimizer step and its gradient, in micro-batches that fit into memory."""

import gc
import logging
from collections.abc import Callable, Sequence
from typing import Any

from data.chat import Rendered

from .errors import TrainingStopped
from .processes import Processes
from .rows import Batch, collate, pack

logger = logging.getLogger(__name__)


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
    ) -> None:
        self.token_losses = token_losses
        self.micro_batch_tokens = micro_batch_tokens
        self._parameters = parameters
        self._device = device
        self._processes = processes
        self._prompt_weight = prompt_weight

    def accumulate(self, rows: Sequence[Rendered], seeds: Sequence[int]) -> float:
        """Leave the window's gradient in the parameters; returns its loss in nats per trained
        token, whatever the micro-batches and processes.

        Raises TrainingStopped where memory does not even suffice for one row.
        """
        total_weight = sum(row.num_trained for row in rows) + self._prompt_weight * sum(
            len(row.token_ids) - 1 - row.num_trained for row in rows
        )
        own = self._processes.share([len(row.token_ids) for row in rows])
        while True:
            loss = self._try([rows[i] for i in own], [seeds[i] for i in own], total_weight)
            if not self._processes.any(loss is None):
                break
            self._halve(rows)
        self._fill_missing()
        self._processes.add([parameter.grad for parameter in self._parameters])
        return self._processes.total(loss or 0.0)[0]

    def _try(
        self, rows: Sequence[Rendered], seeds: Sequence[int], total_weight: float
    ) -> float | None:
        """None where memory ran out."""
        loss = 0.0
        try:
            for group, group_seeds in self._micro_batches(rows, seeds):
                batch = collate(group, group_seeds, self._prompt_weight).to(self._device)
                part = (self.token_losses(batch) * batch.weights).sum() / total_weight
                part.backward()
                loss += part.item()
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            return None
        return loss

    def _micro_batches(
        self, rows: Sequence[Rendered], seeds: Sequence[int]
    ) -> list[tuple[list[Rendered], Sequence[int]]]:
        groups = pack(rows, self.micro_batch_tokens)
        ends = [sum(len(group) for group in groups[: i + 1]) for i in range(len(groups))]
        pairs = zip(groups, ends, strict=True)
        return [(group, seeds[end - len(group) : end]) for group, end in pairs]

    def _halve(self, rows: Sequence[Rendered]) -> None:
        for parameter in self._parameters:
            parameter.grad = None
        _free_memory()
        before = self.micro_batch_tokens
        if all(len(group) == 1 for group in pack(rows, before)):
            longest = max(len(row.token_ids) for row in rows)
            raise TrainingStopped(
                f"Memory ran out with a single conversation of up to {longest} tokens; the last "
                f"checkpoint is kept. Start anew with shorter ones, such as --set max_tokens="
                f"{longest // 2}, with --set gradient_checkpointing=true, or with a smaller base."
            )
        self.micro_batch_tokens = before // 2
        logger.warning(
            "Memory ran out with %d tokens at a time; going on with %d (the effective batch stays "
            "the same). Set micro_batch_tokens=%d to begin with it next time",
            before,
            before // 2,
            before // 2,
        )

    def _fill_missing(self) -> None:
        """A process without rows of its own has a gradient of zeros."""
        import torch

        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


def _is_out_of_memory(error: BaseException) -> bool:
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, Exception) and (
        isinstance(error, MemoryError) or should_reduce_batch_size(error)
    )


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
