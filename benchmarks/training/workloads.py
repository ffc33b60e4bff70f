"""What is trained on, and what is measured of it: shared by our training and PEFT's."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from data.chat import Rendered
from finetune.hardware import free_memory

from .matmul import finish
from .rows import make_rows

RANK = 16
DROPOUT = 0.05
LEARNING_RATE = 1e-4

SHORT = "short questions and answers"
PACKED = "rows that fill a pack"
LONG = "long conversations"


@dataclass(frozen=True, slots=True)
class Workload:
    """Rows, and how many of them make an optimizer step."""

    name: str
    shortest: int  # [tokens] of a row
    longest: int
    batch: int  # [rows] of a step
    warm_up: int  # [steps]
    steps: int  # to be measured

    def rows(self, vocab_size: int) -> list[Rendered]:
        count = self.batch * (self.warm_up + self.steps)
        return make_rows(count, self.shortest, self.longest, vocab_size)


@dataclass(frozen=True, slots=True)
class Speed:
    """Padding is not counted. Memory at its highest, warm-up included; None without a GPU."""

    tokens_per_second: float
    trained_per_second: float
    allocated: int | None  # [bytes]
    reserved: int | None  # [bytes]

    @classmethod
    def of(cls, figures: Mapping[str, float | None]) -> Self:
        """A speed again, of what a journal has kept: there all numbers are alike."""
        rates = figures["tokens_per_second"] or 0.0, figures["trained_per_second"] or 0.0
        memory = figures["allocated"], figures["reserved"]
        return cls(*rates, *(None if each is None else round(each) for each in memory))


class Meter:
    """Stands beside a training and is told of every step."""

    def __init__(self, device: str, warm_up: int) -> None:
        import torch

        self._device = device
        self._to_warm_up = warm_up
        self._begin = time.perf_counter()
        self._tokens = self._trained = 0
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def step(self, rows: Sequence[Rendered]) -> None:
        """The optimizer has been given a step on these rows."""
        finish(self._device)
        if self._to_warm_up > 0:
            self._to_warm_up -= 1
            self._begin = time.perf_counter()
            return
        self._tokens += sum(len(row.token_ids) for row in rows)
        self._trained += sum(row.num_trained for row in rows)
        self._end = time.perf_counter()

    def speed(self) -> Speed:
        import torch

        seconds = self._end - self._begin
        on_gpu = self._device == "cuda"
        return Speed(
            self._tokens / seconds,
            self._trained / seconds,
            torch.cuda.max_memory_allocated() if on_gpu else None,
            torch.cuda.max_memory_reserved() if on_gpu else None,
        )


def set_checkpointing(model: Any, *, wanted: bool) -> None:
    """Whether a transformers model computes activations again instead of keeping them."""
    if wanted:
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.activation_checkpointing_disable()


def speed_if_it_fits(run: Callable[[], Speed], device: str) -> Speed | None:
    """None where the device's memory does not suffice."""
    import torch

    speed = None
    with suppress(torch.OutOfMemoryError):
        speed = run()
    free_memory(device)  # after the exception: its traceback held tensors
    return speed
