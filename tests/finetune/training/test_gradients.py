"""One step's gradient in micro-batches, and what happens when memory runs out."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from data.chat import Rendered
from finetune.errors import TrainingStopped
from finetune.kernels.batch import Batch, TaughtRow
from finetune.training.gradients import Gradients
from finetune.training.processes import ALONE, Processes

ROWS = [Rendered((1, 2, 3, 4), (False, False, True, True)) for _ in range(4)]
SEEDS = range(4)


class OneWeight:
    """A model whose loss of a token is its label times the one weight."""

    def __init__(self, room: int, error: Callable[[], Exception]) -> None:
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.room = room
        self.error = error
        self.sizes: list[int] = []

    def token_losses(self, batch: Batch) -> Any:
        size = batch.input_ids.numel()
        self.sizes.append(size)
        if size > self.room:
            raise self.error()
        return self.weight * batch.labels

    def gradients(self, budget: int, prompt_weight: float = 0.0, margin: float = 0.0) -> Gradients:
        losses, parameters = self.token_losses, [self.weight]
        return Gradients(losses, parameters, budget, "cpu", ALONE, prompt_weight, margin)


def test_what_no_row_reaches_has_a_gradient_of_zeros():
    """And so can be added up over processes."""
    model, unreached = OneWeight(16, full), torch.nn.Parameter(torch.ones(2))
    losses = model.token_losses
    Gradients(losses, [model.weight, unreached], 16, "cpu", ALONE).accumulate(ROWS, SEEDS)
    assert model.weight.grad == pytest.approx(3.5)
    assert torch.equal(unreached.grad, torch.zeros(2))  # pyright: ignore[reportArgumentType]


def full() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(
    "error",
    [full, MemoryError, lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: 9")],
)
def test_memory_that_runs_out_halves_the_micro_batch_and_keeps_the_step(
    error: Callable[[], Exception], caplog: pytest.LogCaptureFixture
):
    whole, small = OneWeight(16, error), OneWeight(4, error)
    expected = whole.gradients(16).accumulate(ROWS, SEEDS)
    gradients = small.gradients(16)
    assert gradients.accumulate(ROWS, SEEDS) == pytest.approx(expected)
    assert small.weight.grad == whole.weight.grad == pytest.approx(3.5)
    assert small.sizes == [16, 8, 4, 4, 4, 4]
    assert gradients.micro_batch_tokens == 4  # and the next step begins with it
    assert "effective batch stays" in caplog.text


def test_memory_too_small_for_one_conversation_stops_with_advice():
    with pytest.raises(TrainingStopped, match="max_tokens=2"):
        OneWeight(3, full).gradients(16).accumulate(ROWS, SEEDS)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shape"):
        OneWeight(3, lambda: RuntimeError("shape mismatch")).gradients(16).accumulate(ROWS, SEEDS)


def test_prompt_tokens_count_by_their_weight():
    model = OneWeight(99, full)
    loss = model.gradients(16, prompt_weight=0.5).accumulate(ROWS[:1], SEEDS)
    assert loss == pytest.approx((3 + 4 + 0.5 * 2) / 2.5)


def test_labels_count_from_the_margin_on_and_what_is_taught_counts_whole():
    model = OneWeight(99, full)
    taught = TaughtRow(ROWS[0].token_ids, ROWS[0].trained, torch.zeros(2, 1))
    loss = model.gradients(16, margin=3.5).accumulate([ROWS[0], taught], SEEDS)
    assert loss == pytest.approx((0 + 0.5 + 3 + 4) / 4)
    assert model.weight.grad == pytest.approx((0 + 4 + 3 + 4) / 4)


@pytest.mark.parametrize("sizes", [[], [5], [9, 1, 1, 1, 5], [3, 3, 3, 3, 3]])
def test_processes_share_everything_and_nothing_twice(sizes: Sequence[int]):
    shares = [Processes(rank, 2).share(sizes) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == list(range(len(sizes)))
    loads = [sum(sizes[i] for i in share) for share in shares]
    assert abs(loads[0] - loads[1]) <= max(sizes, default=0)
