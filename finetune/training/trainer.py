"""The training loop: packed micro-batches, answer-only loss, evaluation, checkpoints."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from data.chat import Rendered
from data.wording import _
from finetune.errors import (
    CheckpointFailed,
    Hopeless,
    Interrupted,
    OutOfRoom,
)
from finetune.free_cores import FreeCores
from finetune.hardware import free_memory, peak_memory
from finetune.kernels.choice import choose_core
from finetune.kernels.dropout import row_seed

from .checkpoint import Progress, is_to_finish, save_checkpoint
from .config import TrainConfig
from .going_on.teacher import teach
from .gradients import Gradients
from .loss import answer_loss, count_sure
from .observer import Observer, Stage, StepMetrics
from .plan import Judge, Plan
from .processes import ALONE, Processes

OnSaved = Callable[[Path, Progress], None]  # told of each new checkpoint

FIRST = 5  # [steps] whose mean loss later ones are held against
EXPLODED = 3.0  # [nats] above it: twenty times the perplexity
SURE_ENOUGH = 0.3  # [nats] of a correction's token, three in four: it is pushed no further


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
        processes: Processes = ALONE,
        judge: Judge | None = None,
    ) -> None:
        """A `judge` weighs the rows that are learned from, in the stage of preferences."""
        import torch

        self.model = model
        self.plan = plan
        self.config = config
        self.run = run
        self.device = device
        self.observer = observer
        self.processes = processes
        self.judge = judge
        self.stage: Stage = "preferences" if judge else "examples"
        self.progress = Progress()
        self.on_saved: OnSaved = lambda _checkpoint, _progress: None
        self.core = choose_core(model)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, weight_decay=config.weight_decay, fused=True
        )
        self.gradients = Gradients(
            self.core.token_losses,
            self.parameters,
            config.micro_batch_tokens,
            device,
            processes,
            config.prompt_loss_weight,
            SURE_ENOUGH if plan.num_corrections else 0.0,
        )
        self.best = self._first = self.weights()
        self._cores = FreeCores(torch.get_num_threads())

    def restore(
        self, progress: Progress, weights: dict[str, Any], best: dict[str, Any], optimizer: Any
    ) -> None:
        """Go back to a checkpoint."""
        from peft import set_peft_model_state_dict

        self.progress, self.best = progress, best
        set_peft_model_state_dict(self.model, weights)
        self.optimizer.load_state_dict(optimizer)

    def train(self, rows: Sequence[Rendered], held_out: Sequence[Rendered]) -> Progress:
        """Run to the plan's end, until no evaluation improves, or until somebody has asked the run
        to finish; keep the best weights.

        Raises Interrupted when asked to stop, after saving, and TrainingStopped where the loss is
        no number or explodes, where memory runs out, and where a checkpoint cannot be written.
        """
        import torch

        self.model.train()
        try:
            self._train(self._with_teacher(rows), held_out)
        finally:
            torch.set_num_threads(self._cores.most)
        return self.progress

    def _with_teacher(self, rows: Sequence[Rendered]) -> Sequence[Rendered]:
        """Where there are corrections, the others are to be answered as the adapter before did."""
        from peft import set_peft_model_state_dict

        number = self.plan.num_corrections
        if not number or self.is_over:
            return rows
        reached = self.weights()
        set_peft_model_state_dict(self.model, self._first)
        weight, device = self.config.prompt_loss_weight, self.device
        taught = self.gradients.within_memory(
            rows, lambda budget: teach(self.core, rows[number:], budget, device, weight)
        )
        set_peft_model_state_dict(self.model, reached)
        return [*rows[:number], *taught]

    def _train(self, rows: Sequence[Rendered], held_out: Sequence[Rendered]) -> None:
        while not self.is_over:
            if self.processes.any(self.observer.should_stop()):
                self._save()
                self.processes.any(False)  # nobody leaves before it is saved
                told = _(
                    "Stopped after step {step} of {total}; everything is saved in {folder}. Go on "
                    "with the same command and --resume."
                )
                step, total = self.progress.step, self.plan.num_steps
                raise Interrupted(told.format(step=step, total=total, folder=self.run))
            if self.processes.any(is_to_finish(self.run)):
                self._finish(held_out)
            else:
                self._advance(rows, held_out)

    @property
    def is_over(self) -> bool:
        """Whether no step is left, or no evaluation improves any more."""
        is_exhausted = self.progress.evals_without_gain >= self.config.patience
        return is_exhausted or self.progress.step >= self.plan.num_steps

    def weights(self) -> dict[str, Any]:
        """A copy of the adapter's weights, by PEFT's names."""
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def restore_best(self) -> None:
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, self.best)

    def release(self) -> None:
        """Let go of the model and all that was made for it; nothing can be trained afterwards."""
        del self.model, self.core, self.parameters, self.optimizer, self.gradients
        free_memory(self.device)

    def _advance(self, rows: Sequence[Rendered], held_out: Sequence[Rendered]) -> None:
        if self.device == "cpu":
            self._cores.use()
        start = time.perf_counter()
        index = self.progress.step
        window = self.plan.windows[index]
        loss, grad_norm = self._step(index, [rows[row] for row in window])
        num_tokens = sum(len(rows[row].token_ids) for row in window)
        num_trained = sum(rows[row].num_trained for row in window)
        seconds = time.perf_counter() - start
        self.progress.step += 1
        self.progress.tokens += num_tokens
        is_learned = index + 1 in self.plan.check_steps and self._has_learned(rows)
        is_due = is_learned or index + 1 in self.plan.eval_steps
        eval_loss = self._evaluate(held_out) if is_due else None
        if is_learned:
            self.progress.evals_without_gain = self.config.patience  # nothing more to gain
        self.observer.on_step(  # before it is saved: what is kept has been told
            StepMetrics(
                step=index + 1,
                num_steps=self.plan.num_steps,
                loss=loss,
                learning_rate=self.plan.learning_rate_at(index),
                grad_norm=grad_norm,
                tokens_per_second=num_tokens / seconds,
                trained_tokens_per_second=num_trained / seconds,
                memory_bytes=peak_memory(self.device),
                eval_loss=eval_loss,
                stage=self.stage,
            )
        )
        every = self.config.save_steps
        if eval_loss is not None or (every and (index + 1) % every == 0):
            self._save()

    def _finish(self, held_out: Sequence[Rendered]) -> None:
        """Somebody has had enough: the best so far is what comes of it."""
        if self.progress.best_loss is None:
            self._evaluate(held_out)
        self.progress.evals_without_gain = self.config.patience
        self._save()

    def _step(self, index: int, window: Sequence[Rendered]) -> tuple[float, float]:
        """One optimizer step; the loss is normalised by the window's trained tokens."""
        import torch

        # A row's dropout depends on the seed, the step and the row's place in it, on nothing else.
        seeds = [row_seed(self.config.seed, index, place) for place in range(len(window))]
        if self.judge is None:
            loss = self.gradients.accumulate(window, seeds)
        else:
            loss, weights = self.judge(window, [-each for each in self.row_losses(window)])
            counted = [i for i, weight in enumerate(weights) if weight]
            self.gradients.accumulate(
                [window[i] for i in counted],
                [seeds[i] for i in counted],
                [weights[i] for i in counted],
            )
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self._refuse_explosion(loss, float(norm))
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate_at(index)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss, float(norm)

    def _refuse_explosion(self, loss: float, grad_norm: float) -> None:
        """Raises Hopeless before the weights take harm, or where they have."""
        progress = self.progress
        if math.isfinite(loss) and math.isfinite(grad_norm):
            progress.note_loss(loss, FIRST)
            first, last = fmean(progress.first_losses), fmean(progress.last_losses)
            if progress.step < 2 * FIRST or last < first + EXPLODED:
                return
            told = _("The loss rose from {first:.2f} to {last:.2f} by step {step}.")
            seen = told.format(first=first, last=last, step=progress.step + 1)
        else:
            told = _("The loss became {loss} and its gradient {gradient} by step {step}.")
            seen = told.format(loss=loss, gradient=grad_norm, step=progress.step + 1)
        told = _(
            "{seen} Checkpoints before it are kept in {folder}. Start anew with a lower rate, such "
            "as --set learning_rate={rate:.0e}."
        )
        rate = self.plan.learning_rate / 4
        raise Hopeless(told.format(seen=seen, folder=self.run, rate=rate))

    def _evaluate(self, held_out: Sequence[Rendered]) -> float:
        loss = self.held_out_loss(held_out)
        best = self.progress.best_loss
        if best is None or loss < best or self.plan.num_corrections:
            self.progress.best_loss, self.progress.best_step = loss, self.progress.step
            self.progress.evals_without_gain = 0
            self.best = self.weights()
        else:
            self.progress.evals_without_gain += 1
        return loss

    def count_learned(self, rows: Sequence[Rendered]) -> int:
        """The rows whose answers the model would give word for word."""
        budget, losses = self.gradients.micro_batch_tokens, self.core.token_losses
        return count_sure(self.model, rows, budget, self.device, losses)

    def _has_learned(self, rows: Sequence[Rendered]) -> bool:
        corrections = rows[: self.plan.num_corrections]
        is_missing = self.count_learned(corrections) < len(corrections)
        return not self.processes.any(is_missing)

    def held_out_loss(self, held_out: Sequence[Rendered]) -> float:
        """The held-out loss of the weights as they are, per answer token, in nats."""
        return sum(self.row_losses(held_out)) / sum(row.num_trained for row in held_out)

    def row_losses(self, rows: Sequence[Rendered]) -> list[float]:
        """The loss of each row's answer, all its tokens', in nats. Each process takes its share."""
        share = self.processes.share([len(row.token_ids) for row in rows])
        own = self.gradients.within_memory(
            rows,
            lambda budget: answer_loss(
                self.model,
                [rows[i] for i in share],
                budget,
                self.device,
                self.core.token_losses,
            ),
        )
        losses = dict(zip(share, own.sums, strict=True))
        return self.processes.total(*(losses.get(i, 0.0) for i in range(len(rows))))

    def _save(self) -> None:
        if not self.processes.is_first:
            return
        try:
            saved = save_checkpoint(
                self.run, self.progress, self.weights(), self.best, self.optimizer, self.stage
            )
        except CheckpointFailed as error:
            told = _(
                "{error} Checkpoints before step {step} are kept in {folder}. Make room and go on "
                "with the same command and --resume."
            ).format(error=error, step=self.progress.step, folder=self.run)
            raise OutOfRoom(told, error) from error
        self.on_saved(saved, self.progress)
