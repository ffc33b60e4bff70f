"""The training loop on a tiny model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from finetune.bases.base import Base, load_model
from finetune.errors import NotResumable, TrainingStopped
from finetune.training.checkpoint import (
    ask_to_finish,
    list_checkpoints,
    load_checkpoint,
    read_progress,
)
from finetune.training.config import TrainConfig
from finetune.training.loss import answer_loss
from finetune.training.observer import Silent, StepMetrics
from finetune.training.peft_model import add_adapter
from finetune.training.plan import make_plan
from finetune.training.rows import build_rows
from finetune.training.trainer import Trainer
from tests.disk_calls import record_disk

CONVERSATIONS = [
    Conversation(
        (Message("user", f"问题{i}: my chain"), Message("assistant", f"Right then. {i}。"))
    )
    for i in range(14)
]


class Recorder(Silent):
    """Remembers what it was told, and asks to stop after a number of steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.steps: list[StepMetrics] = []
        self.stop_after = stop_after

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)

    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after

    @property
    def losses(self) -> list[tuple[int, float, float | None]]:
        return [(step.step, step.loss, step.eval_loss) for step in self.steps]


MakeTrainer = Callable[..., tuple[Trainer, Recorder]]


@pytest.fixture
def make_trainer(make_base: Any, tmp_path: Path) -> MakeTrainer:
    folder = make_base("llama")

    def make(run: str = "run", stop_after: int | None = None, **options: Any) -> Any:
        base = Base("tiny", folder)
        values: dict[str, Any] = {"epochs": 3, "batch_size": 4, "learning_rate": 0.01, **options}
        config = TrainConfig.model_validate(values)
        plan = make_plan(config, [len(row.token_ids) for row in rows(folder)[0]], 64)
        torch.manual_seed(0)
        model = add_adapter(load_model(base, "fp32", "cpu"), config, plan.dropout)
        recorder = Recorder(stop_after)
        return Trainer(model, plan, config, tmp_path / run, "cpu", recorder), recorder

    return make


def rows(folder: Path) -> tuple[list[Rendered], list[Rendered]]:
    renderer = ChatRenderer(Base("tiny", folder).tokenizer)
    built, _ = build_rows(CONVERSATIONS, renderer, 512)
    return built[:11], built[11:]


def run_to_end(trainer: Trainer, make_base: Any) -> dict[str, Any]:
    trainer.train(*rows(make_base("llama")))
    return trainer.weights()


def held_out_loss(trainer: Trainer, held_out: list[Rendered]) -> float:
    return answer_loss(trainer.model, held_out, 512, "cpu", trainer.core.token_losses).per_token


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_loss_falls_and_the_best_weights_are_kept(make_trainer: MakeTrainer, make_base: Any):
    trainer, recorder = make_trainer()
    train, held_out = rows(make_base("llama"))
    before = held_out_loss(trainer, held_out)
    progress = trainer.train(train, held_out)
    trainer.restore_best()
    after = held_out_loss(trainer, held_out)
    assert after < 0.8 * before
    assert after == pytest.approx(progress.best_loss)
    assert recorder.steps[-1].step == trainer.plan.num_steps == 9


def test_micro_batches_add_up_to_the_whole_window(make_trainer: MakeTrainer, make_base: Any):
    whole, one = make_trainer("a", dropout=0.0, micro_batch_tokens=4096)
    split, many = make_trainer("b", dropout=0.0, micro_batch_tokens=16)
    run_to_end(whole, make_base)
    run_to_end(split, make_base)
    assert [s.loss for s in one.steps] == pytest.approx([s.loss for s in many.steps], rel=1e-3)


@pytest.mark.parametrize("stop_after", [1, 4, 8])
def test_a_resumed_run_equals_an_uninterrupted_one(
    stop_after: int, make_trainer: MakeTrainer, make_base: Any
):
    uninterrupted, reference = make_trainer("whole", dropout=0.1)
    expected = run_to_end(uninterrupted, make_base)

    first, before = make_trainer("cut", stop_after=stop_after, dropout=0.1)
    with pytest.raises(TrainingStopped, match="--resume"):
        run_to_end(first, make_base)
    second, after = make_trainer("cut", dropout=0.1)
    second.restore(*load_checkpoint(second.run))
    assert same(run_to_end(second, make_base), expected)
    assert before.losses + after.losses == reference.losses
    assert same(second.best, uninterrupted.best)


def test_training_stops_when_no_evaluation_improves(make_trainer: MakeTrainer, make_base: Any):
    trainer, recorder = make_trainer(learning_rate=0.9, epochs=20, patience=2)
    progress = trainer.train(*rows(make_base("llama")))
    evals = [step.eval_loss for step in recorder.steps if step.eval_loss is not None]
    assert len(recorder.steps) < trainer.plan.num_steps
    assert progress.best_loss == min(evals)
    assert evals.index(min(evals)) == len(evals) - 3


def test_a_run_that_is_asked_to_finish_ends_with_the_best_so_far(
    make_trainer: MakeTrainer, make_base: Any
):
    trainer, _ = make_trainer(epochs=20)

    class Enough(Recorder):
        def should_stop(self) -> bool:
            if any(step.eval_loss is not None for step in self.steps):
                ask_to_finish(trainer.run)
            return False

    trainer.observer = enough = Enough()
    progress = trainer.train(*rows(make_base("llama")))
    assert progress.step == len(enough.steps) < trainer.plan.num_steps
    assert progress.best_loss == enough.steps[-1].eval_loss
    assert load_checkpoint(trainer.run)[0].step == progress.step


def test_what_was_never_measured_is_measured_where_it_is_to_finish(
    make_trainer: MakeTrainer, make_base: Any
):
    trainer, recorder = make_trainer()
    ask_to_finish(trainer.run)
    progress = trainer.train(*rows(make_base("llama")))
    assert recorder.steps == []
    assert progress.best_loss == load_checkpoint(trainer.run)[0].best_loss is not None


def test_a_loss_that_is_no_number_stops_with_the_checkpoints_kept(
    make_trainer: MakeTrainer, make_base: Any
):
    trainer, _ = make_trainer(save_steps=1)

    class Poisoned(Recorder):
        def should_stop(self) -> bool:
            if len(self.steps) == 2:
                with torch.no_grad():
                    trainer.parameters[0].fill_(float("nan"))
            return False

    trainer.observer = poisoned = Poisoned()
    with pytest.raises(TrainingStopped, match="learning_rate"):
        run_to_end(trainer, make_base)
    assert len(poisoned.steps) == 2
    assert all(_finite(folder) for folder in list_checkpoints(trainer.run))


def test_a_loss_that_explodes_stops_the_run(make_trainer: MakeTrainer, make_base: Any):
    trainer, _ = make_trainer(epochs=9, patience=99)

    class Shaken(Recorder):
        def should_stop(self) -> bool:
            if len(self.steps) == 12:
                with torch.no_grad():  # what is likely becomes unlikely, very
                    trainer.model.get_output_embeddings().weight.mul_(-10)
            return False

    trainer.observer = shaken = Shaken()
    with pytest.raises(TrainingStopped, match=r"rose from .* lower rate"):
        run_to_end(trainer, make_base)
    assert 12 <= len(shaken.steps) < trainer.plan.num_steps - 3


def _finite(folder: Path) -> bool:
    from safetensors.torch import load_file

    weights: Sequence[Any] = list(load_file(folder / "adapter.safetensors").values())
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights)


def test_only_the_last_two_checkpoints_are_kept(make_trainer: MakeTrainer, make_base: Any):
    trainer, _ = make_trainer(save_steps=2)
    run_to_end(trainer, make_base)
    assert [folder.name for folder in list_checkpoints(trainer.run)] == [
        "step-000008",
        "step-000009",
    ]


@pytest.mark.parametrize("file", ["state.json", "adapter.safetensors", "optimizer.pt"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    file: str, make_trainer: MakeTrainer, make_base: Any
):
    trainer, _ = make_trainer(save_steps=4)
    run_to_end(trainer, make_base)
    older, newest = list_checkpoints(trainer.run)
    (newest / file).write_bytes((newest / file).read_bytes()[:9])
    progress, *_ = load_checkpoint(trainer.run)
    assert progress.step == int(older.name.removeprefix("step-"))
    (older / file).write_bytes(b"")
    with pytest.raises(NotResumable, match="can be read"):
        load_checkpoint(trainer.run)


def test_progress_is_that_of_the_newest_checkpoint_that_says_it(
    make_trainer: MakeTrainer, make_base: Any
):
    trainer, _ = make_trainer(save_steps=4)
    assert read_progress(trainer.run) is None
    run_to_end(trainer, make_base)
    assert read_progress(trainer.run) == trainer.progress
    older, newest = list_checkpoints(trainer.run)
    (newest / "state.json").write_bytes(b"{")
    assert read_progress(trainer.run) == load_checkpoint(trainer.run)[0]
    (older / "state.json").unlink()
    assert read_progress(trainer.run) is None


def test_a_checkpoint_is_written_through_before_it_appears(
    make_trainer: MakeTrainer, make_base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer, _ = make_trainer("run", stop_after=1)
    trainer.run.mkdir()
    (trainer.run / "metrics.jsonl").touch()
    calls = record_disk(monkeypatch, trainer.run)
    with pytest.raises(TrainingStopped):
        run_to_end(trainer, make_base)
    appears = calls.index("checkpoints/.new-? -> checkpoints/step-000001")
    files = [path.name for path in list_checkpoints(trainer.run)[0].iterdir()]
    assert len(files) == 4
    assert {*calls[:appears]} == {
        *("fsync .", "fsync metrics.jsonl", "fsync checkpoints/.new-?"),
        *(f"fsync checkpoints/.new-?/{file}" for file in files),
    }
    assert calls[appears + 1 :] == ["fsync checkpoints"]
