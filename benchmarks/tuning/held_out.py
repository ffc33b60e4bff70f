"""The held-out loss of adapters, whichever tool has made them: one measure for all.

python -m benchmarks.tuning.held_out < JOB.json > RESULT.json
"""

import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from data.chat import Rendered
from finetune.bases.base import Base, load_model
from finetune.training.loss import answer_loss
from finetune.training.peft_model import load_adapter

from .samples import split

Precision = Literal["fp32", "nf4"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "nf4")
BATCH_TOKENS = 1024


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeldOutJob(Frozen):
    base: Path
    data: Path
    seed: int
    measured: tuple[tuple[Path | None, Precision], ...]  # adapters; None: the base alone


class Loss(Frozen):
    """The loss by held-out rows."""

    sums: tuple[float, ...]  # [nats]
    counts: tuple[int, ...]  # [tokens]

    @property
    def per_token(self) -> float:
        return sum(self.sums) / sum(self.counts)


class HeldOutResult(Frozen):
    losses: tuple[Loss, ...]  # in the order asked for


def measure(job: HeldOutJob) -> HeldOutResult:
    base = Base(job.base.name, job.base)
    _, rows = split(job.data, job.seed, base)
    found: dict[tuple[Path | None, Precision], Loss] = {}
    for precision in PRECISIONS:
        wanted = [adapter for adapter, each in job.measured if each == precision]
        if not wanted:
            continue
        model = load_model(base, precision, "cpu")
        found |= {(adapter, precision): _measure(model, adapter, rows) for adapter in wanted}
    return HeldOutResult(losses=tuple(found[each] for each in job.measured))


def _measure(model: Any, adapter: Path | None, rows: list[Rendered]) -> Loss:
    """Measure the loss in training mode but without dropout, as `answer_loss` explains."""
    adapted = load_adapter(model, adapter) if adapter else model
    loss = answer_loss(adapted.train(), rows, BATCH_TOKENS, "cpu")
    if adapter:
        adapted.unload()
    return Loss(sums=loss.sums, counts=loss.counts)


if __name__ == "__main__":
    sys.stdout.write(measure(HeldOutJob.model_validate_json(sys.stdin.read())).model_dump_json())
