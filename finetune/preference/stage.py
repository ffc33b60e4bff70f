"""The second stage: the adapter of the first one learns from judgements, and keeps what is better.

preferences/reference.json     how likely all answers were before, computed once
preferences/step-000003/       checkpoints, like those of the first stage
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from data.chat import Rendered
from data.whole_file import make_lasting, whole_file
from data.wording import _
from finetune.training.checkpoint import CHECKPOINTS, list_checkpoints, load_checkpoint
from finetune.training.observer import Observer, Placed
from finetune.training.peft_model import switch_dropout_off
from finetune.training.trainer import Trainer

from .outcome import Measured, Outcome, decide
from .plan import Preferences
from .rows import JudgedRow

REFERENCE_FILE = "reference.json"


class PreferenceStage:
    """Owns the trainer of the stage; the model is the first stage's, with its best weights."""

    def __init__(
        self,
        preferences: Preferences,
        first: Trainer,
        held_out: Sequence[Rendered],
        observer: Observer,
        patience: int = 1,
    ) -> None:
        """It ends at so many evaluations at which preferred answers are no likelier."""
        self._preferences = preferences
        self._first = first
        self._held_out = held_out
        self._observer = observer
        self._patience = patience
        self._measuring = [row for each in preferences.measuring for row in each]
        good = [row for row in self._measuring if row.part == "preferred"]
        self._preferred = good or [*held_out]
        self._folder = first.run / CHECKPOINTS["preferences"]

    def execute(self, *, resume: bool) -> Outcome:
        """Leave the better weights of both stages in the model, and what they come to in the first
        stage's progress. Raises as the trainer does."""
        trainer, before = self.learn(resume=resume)
        trainer.restore_best()
        outcome = self.judge(trainer, before)
        self._settle(trainer, outcome)
        return outcome

    def learn(self, *, resume: bool) -> tuple[Trainer, Measured]:
        """The stage's trainer when it is done, with its last weights in the model, and what was
        found before."""
        first = self._first
        first.optimizer.state.clear()  # as large as two more adapters, and of no more use
        trainer = self._trainer()
        before = self._measure(trainer)
        rows = self._with_reference(trainer)
        trainer.progress.best_loss = before.preferred  # what is less likely is never the best
        if resume and list_checkpoints(first.run, "preferences"):
            trainer.restore(*load_checkpoint(first.run, "preferences"))
        self._observer.on_stage(_("Learning from preferences"))
        trainer.train(rows, self._preferred)
        return trainer, before

    def judge(self, trainer: Trainer, before: Measured) -> Outcome:
        """What the weights that are in the model come to."""
        preferences, after = self._preferences, self._measure(trainer)
        count, measuring = preferences.num_judgements, preferences.measuring
        return decide(preferences.method, count, measuring, before, after)

    def _trainer(self) -> Trainer:
        """The trainer of this stage: without dropout, as the answers were measured before."""
        first = self._first
        switch_dropout_off(first.model)
        own = {"patience": self._patience, "prompt_loss_weight": 0.0, "save_steps": None}
        return Trainer(
            first.model,
            self._preferences.plan,
            first.config.model_copy(update=own),
            first.run,
            first.device,
            Placed(self._observer, before=first.progress.step),
            first.processes,
            self._preferences.judge,
        )

    def _with_reference(self, trainer: Trainer) -> list[JudgedRow]:
        """The rows with the log-likelihoods of their answers before the first step."""
        rows, path = self._preferences.rows, self._folder / REFERENCE_FILE
        if path.is_file():
            found = json.loads(path.read_bytes())
        else:
            self._observer.on_stage(_("Measuring judged answers before they are learned from"))
            found = [-loss for loss in trainer.row_losses(rows)]
            trainer.processes.from_first(lambda: self._write(found))
        return [replace(row, reference=each) for row, each in zip(rows, found, strict=True)]

    def _write(self, found: Sequence[float]) -> None:
        make_lasting(self._folder)
        with whole_file(self._folder / REFERENCE_FILE, lasting=True) as file:
            json.dump(found, file)

    def _measure(self, trainer: Trainer) -> Measured:
        losses = trainer.row_losses(self._measuring)
        by_token = zip(losses, self._measuring, strict=True)
        return Measured(
            [loss / row.num_trained for loss, row in by_token],
            trainer.held_out_loss(self._preferred),
            trainer.held_out_loss(self._held_out),
        )

    def _settle(self, trainer: Trainer, outcome: Outcome) -> None:
        first = self._first
        offset, own = first.progress.step, trainer.progress
        if outcome.is_kept:
            first.best = trainer.best
            first.progress.best_loss = outcome.after.held_out
            first.progress.best_step = offset + own.best_step
        else:
            first.restore_best()
        first.progress.tokens += own.tokens
        trainer.release()
        self._observer.on_stage(outcome.told)
