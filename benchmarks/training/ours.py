"""Our trainer: rows packed without padding, logits where a token is trained."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.chat import Rendered
from finetune.bases.base import Base, load_model
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics
from finetune.training.peft_model import add_adapter
from finetune.training.plan import Plan, make_plan
from finetune.training.trainer import Trainer

from .workloads import DROPOUT, LEARNING_RATE, RANK, Meter, Speed, Workload, set_checkpointing


class OurTraining:
    """One base with one adapter, for every workload in turn."""

    def __init__(self, folder: Path, device: str, pack_tokens: int) -> None:
        options = {"rank": RANK, "dropout": DROPOUT, "learning_rate": LEARNING_RATE, "epochs": 1}
        self._config = TrainConfig.model_validate({**options, "micro_batch_tokens": pack_tokens})
        self._device = device
        self._folder = folder
        self._base = load_model(Base(folder.name, folder), "nf4", device)
        self._model = add_adapter(self._base, self._config, DROPOUT)

    def measure(self, workload: Workload, *, checkpointing: bool) -> Speed:
        set_checkpointing(self._base, wanted=checkpointing)
        rows = workload.rows(self._base.config.vocab_size)
        plan = self._plan(rows, workload.batch)
        meter = Meter(self._device, workload.warm_up)
        watch = _Watch(meter, [[rows[index] for index in window] for window in plan.windows])
        trainer = Trainer(self._model, plan, self._config, self._folder, self._device, watch)
        trainer.train(rows, [])
        return meter.speed()

    def _plan(self, rows: Sequence[Rendered], batch: int) -> Plan:
        """The rows in their order, as PEFT gets them; nothing is evaluated or saved."""
        lengths = [len(row.token_ids) for row in rows]
        plan = make_plan(self._config, lengths, self._base.config.hidden_size)
        starts = range(0, len(rows), batch)
        windows = tuple(tuple(range(start, start + batch)) for start in starts)
        return replace(plan, windows=windows, eval_steps=frozenset[int]())


class _Watch(Silent):
    """An observer that tells the meter."""

    def __init__(self, meter: Meter, windows: Sequence[Sequence[Rendered]]) -> None:
        self._meter = meter
        self._windows = windows

    def on_step(self, metrics: StepMetrics) -> None:
        self._meter.step(self._windows[metrics.step - 1])
