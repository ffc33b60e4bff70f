"""The training loop: packed micro-batches, answer-only loss, evaluation, checkpoints."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from data.chat import Rendered

from .checkpoint import Progress, save_checkpoint
from .config import TrainConfig
from .errors import TrainingStopped
from .evaluate import answer_loss, token_losses
from .plan import Plan
from .rows import collate, pack


@dataclass(frozen=True, slots=True)
class StepMetrics:
    step: int  # counted from 1
    num_steps: int
    loss: float  # mean over the step's trained tokens, in nats
    learning_rate: float
    grad_norm: float
    tokens_per_second: float  # prompts included
    eval_loss: float | None = None


class Observer(Protocol):
    """Who is told how a run goes."""

    def on_stage(self, text: str) -> None: ...

    def on_step(self, metrics: StepMetrics) -> None: ...

    def should_stop(self) -> bool:
        """Asked between steps; True saves the run and ends it."""
        ...


class Trainer:
    """Trains the adapter of one PEFT model by one plan."""

    def __init__(
        self,
        model: Any,
        plan: Plan,
        config: TrainConfig,
        run: Path,
        device: str,
        observer: Observer,
    ) -> None:
        import torch

        self.model = model
        self.plan = plan
        self.config = config
        self.run = run
        self.device = device
        self.observer = observer
        self.progress = Progress()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, weight_decay=config.weight_decay)
        self.best = self.weights()

    def restore(
        self, progress: Progress, weights: dict[str, Any], best: dict[str, Any], optimizer: Any
    ) -> None:
        """Go back to a checkpoint."""
        from peft import set_peft_model_state_dict

        self.progress, self.best = progress, best
        set_peft_model_state_dict(self.model, weights)
        self.optimizer.load_state_dict(optimizer)

    def train(self, rows: Sequence[Rendered], held_out: Sequence[Rendered]) -> Progress:
        """Run to the plan's end or until no evaluation improves; keep the best weights.

        Raises TrainingStopped when asked to stop, after saving, and where the loss is no number.
        """
        self.model.train()
        while self.progress.step < self.plan.num_steps and not self.is_exhausted:
            if self.observer.should_stop():
                self._save()
                raise TrainingStopped(
                    f"Stopped after step {self.progress.step} of {self.plan.num_steps}; everything "
                    f"is saved in {self.run}. Go on with the same command and --resume."
                )
            self._advance(rows, held_out)
        return self.progress

    @property
    def is_exhausted(self) -> bool:
        return self.progress.evals_without_gain >= self.config.patience

    def weights(self) -> dict[str, Any]:
        """A copy of the adapter's weights, by PEFT's names."""
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def restore_best(self) -> None:
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, self.best)

    def _advance(self, rows: Sequence[Rendered], held_out: Sequence[Rendered]) -> None:
        start = time.perf_counter()
        index = self.progress.step
        window = [rows[row] for row in self.plan.windows[index]]
        loss, grad_norm = self._step(index, window)
        num_tokens = sum(len(row.token_ids) for row in window)
        seconds = time.perf_counter() - start
        self.progress.step += 1
        self.progress.tokens += num_tokens
        eval_loss = self._evaluate(held_out) if index + 1 in self.plan.eval_steps else None
        self.observer.on_step(
            StepMetrics(
                step=index + 1,
                num_steps=self.plan.num_steps,
                loss=loss,
                learning_rate=self.plan.learning_rate_at(index),
                grad_norm=grad_norm,
                tokens_per_second=num_tokens / seconds,
                eval_loss=eval_loss,
            )
        )
        every = self.config.save_steps
        if (index + 1) % every == 0 if every else eval_loss is not None:
            self._save()

    def _step(self, index: int, window: Sequence[Rendered]) -> tuple[float, float]:
        """One optimizer step; the loss is normalised by the window's trained tokens."""
        import torch

        torch.manual_seed(self.config.seed * 1_000_003 + index)  # dropout depends on the step alone
        num_trained = sum(row.num_trained for row in window)
        total = 0.0
        for group in pack(window, self.config.micro_batch_tokens):
            loss = token_losses(self.model, collate(group).to(self.device)).sum() / num_trained
            loss.backward()
            total += loss.item()
        if not math.isfinite(total):
            raise TrainingStopped(
                f"The loss became {total} at step {index + 1}. Checkpoints before it are kept in "
                f"{self.run}. Try a lower rate, such as --set learning_rate="
                f"{self.plan.learning_rate / 4:.0e}."
            )
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate_at(index)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, float(norm)

    def _evaluate(self, held_out: Sequence[Rendered]) -> float:
        budget = self.config.micro_batch_tokens
        loss = answer_loss(self.model, held_out, budget, self.device).per_token
        if self.progress.best_loss is None or loss < self.progress.best_loss:
            self.progress.best_loss, self.progress.best_step = loss, self.progress.step
            self.progress.evals_without_gain = 0
            self.best = self.weights()
        else:
            self.progress.evals_without_gain += 1
        return loss

    def _save(self) -> None:
        save_checkpoint(self.run, self.progress, self.weights(), self.best, self.optimizer)
