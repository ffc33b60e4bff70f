"""Plain PEFT: batches padded to their longest row, as its QLoRA guide prepares the model.

The loop is bare, without a Trainer's logging and callbacks: that is in PEFT's favour.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from data.chat import Rendered
from finetune.bases.base import Base, load_model

from .workloads import DROPOUT, LEARNING_RATE, RANK, Meter, Speed, Workload, set_checkpointing

IGNORED = -100  # a label that no loss is computed for


class PeftTraining:
    """One base with one adapter, for every workload in turn."""

    def __init__(self, folder: Path, device: str) -> None:
        from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

        self._device = device
        base = load_model(Base(folder.name, folder), "nf4", device)
        self._base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
        lora = LoraConfig(
            r=RANK,
            lora_alpha=2 * RANK,
            lora_dropout=DROPOUT,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        self._model: Any = get_peft_model(self._base, lora).train()
        self._parameters = [p for p in self._model.parameters() if p.requires_grad]

    def measure(self, workload: Workload, micro_batch: int, *, checkpointing: bool) -> Speed:
        import torch

        set_checkpointing(self._base, wanted=checkpointing)
        self._model.zero_grad(set_to_none=True)  # of a step that ran out of memory
        optimizer = torch.optim.AdamW(self._parameters, lr=LEARNING_RATE, weight_decay=0.0)
        rows = workload.rows(self._base.config.vocab_size)
        meter = Meter(self._device, workload.warm_up)
        for start in range(0, len(rows), workload.batch):
            window = rows[start : start + workload.batch]
            self._step(window, micro_batch, optimizer)
            meter.step(window)
        return meter.speed()

    def _step(self, window: Sequence[Rendered], micro_batch: int, optimizer: Any) -> None:
        import torch

        num_trained = sum(row.num_trained for row in window)
        on_gpu = self._device == "cuda"
        for start in range(0, len(window), micro_batch):
            batch = _pad(window[start : start + micro_batch], self._device)
            with torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
                loss = self._model(**batch, num_items_in_batch=num_trained).loss
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _pad(rows: Sequence[Rendered], device: str) -> dict[str, Any]:
    import torch

    longest = max(len(row.token_ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for number, row in enumerate(rows):
        length = len(row.token_ids)
        ids[number, :length] = torch.tensor(row.token_ids)
        mask[number, :length] = 1
        trained = torch.tensor(row.trained)
        labels[number, :length][trained] = ids[number, :length][trained]
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: tensor.to(device) for name, tensor in batch.items()}
