"""The processes that train one adapter together, started by this program or by torchrun."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

from data.wording import _
from finetune.errors import ConfigError

Value = TypeVar("Value")
# The others wait while the first one fetches a base or writes the report.
PATIENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Processes:
    """Every process does the same and computes its share; the first one alone writes files."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, sizes: Sequence[int]) -> list[int]:
        """Which of the items are this process's: the largest first, each to who has least."""
        loads = [0] * self.count
        own: list[int] = []
        for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
            process = loads.index(min(loads))
            loads[process] += sizes[index]
            if process == self.rank:
                own.append(index)
        return sorted(own)

    def add(self, tensors: Sequence[Any]) -> None:
        """Replace each tensor by its sum over the processes."""
        if self.count > 1 and tensors:
            import torch

            flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
            torch.distributed.all_reduce(flat)
            parts = flat.split([tensor.numel() for tensor in tensors])
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over the processes."""
        if self.count == 1:
            return list(numbers)
        gathered: list[Any] = [None] * self.count
        import torch

        torch.distributed.all_gather_object(gathered, numbers)
        return [sum(each) for each in zip(*gathered, strict=True)]

    def any(self, flag: bool) -> bool:
        return self.total(flag)[0] > 0

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What the first process makes, for all of them. Where it fails, the launcher ends all."""
        if self.count == 1:
            return make()
        import torch

        made = [make() if self.is_first else None]
        torch.distributed.broadcast_object_list(made)
        return cast(Value, made[0])

    @contextmanager
    def first_before_others(self) -> Generator[None]:
        """Let the first process do first what it does for all, such as converting a base."""
        if self.count > 1 and not self.is_first:
            self._wait()
        yield
        if self.count > 1 and self.is_first:
            self._wait()

    def _wait(self) -> None:
        import torch

        torch.distributed.barrier()


ALONE = Processes()


def join_processes() -> Processes:
    """Join the others where a launcher has started several; alone otherwise.

    Raises ConfigError where there are fewer GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return ALONE
    import torch
    from accelerate import PartialState

    num_gpus = torch.cuda.device_count()
    if 0 < num_gpus <= int(os.environ.get("LOCAL_RANK", "0")):
        fault = _("processes: {count} at most, one a GPU").format(count=num_gpus)
        raise ConfigError(_("The options have faults"), [fault])
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    return Processes(state.process_index, state.num_processes)
