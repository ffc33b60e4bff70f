"""The end of a run: the adapter is compared with its base, and its folder is written."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.chat import ChatRenderer
from data.whole_file import NO_ROOM
from data.wording import N_, _

from .adapters.card import ADAPTER_LOSS, BASE_LOSS, BEST_STEP, TRAINING_PRECISION_LOSS
from .adapters.files import README_FILE, REPORT_FILE, TEMPLATE_FILE
from .adapters.version import AdapterVersion
from .adapters.versions import install, staging_folder
from .errors import Interrupted, OutOfRoom
from .evaluation.compare import Material, compare, efforts_of
from .evaluation.finding import Finding
from .evaluation.report import History, Report
from .evaluation.sides import Pair, PairedRows, Side
from .preference.outcome import Outcome
from .prepared import Prepared
from .training.going_on.continuation import Continuation
from .training.observer import StepMetrics
from .training.peft_model import save_adapter
from .training.run import Run
from .training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished job leaves."""

    version: AdapterVersion
    run: Path
    precision: str  # of the comparison
    base_loss: float  # held-out, per answer token, in nats
    adapter_loss: float
    training_loss: float  # the same rows at training precision
    trained_tokens: int  # over all steps, prompts included
    findings: Sequence[Finding]
    continuation: Continuation | None = None  # of the adapter that it went on from
    preferences: Outcome | None = None  # what learning from them has come to

    @property
    def gain(self) -> float:
        return 1 - self.adapter_loss / self.base_loss

    @property
    def report(self) -> Path | None:
        path = self.version.folder / REPORT_FILE
        return path if path.is_file() else None


def finish(
    prepared: Prepared,
    run: Run,
    trainer: Trainer,
    adapters: Path,
    continuation: Continuation | None = None,
    outcome: Outcome | None = None,
) -> Result:
    """Make a version of what was trained; the training model is freed on the way."""
    training_loss = trainer.progress.best_loss
    assert training_loss is not None, "every plan evaluates after its last step"
    name = prepared.name
    with _room(run), staging_folder(adapters, run.state.id) as folder:
        save_adapter(trainer.model, folder, prepared.base.id)
        trainer.release()  # before the model to compare with is loaded
        report = _report(prepared, run, folder, training_loss, outcome)
        report.write(folder)
        report.translate(folder)
        (folder / TEMPLATE_FILE).write_text(prepared.renderer.template, encoding="utf-8")
        metrics = _metrics(report, trainer.progress.best_step, continuation)
        metrics |= outcome.metrics if outcome else {}
        prepared.card(metrics, run.state.id).write(folder)
        (folder / README_FILE).write_text(_model_card(report, name), encoding="utf-8")
        version = install(adapters, name, folder, promoted=prepared.config.promote)
    run.finish(str(version))
    return Result(
        version=version,
        run=run.folder,
        precision=report.measured.precision,
        base_loss=report.measured.unseen.nll.baseline.value,
        adapter_loss=report.measured.unseen.nll.adapter.value,
        training_loss=training_loss,
        trained_tokens=trainer.progress.tokens,
        findings=report.findings,
        continuation=continuation,
        preferences=outcome,
    )


@contextmanager
def _room(run: Run) -> Generator[None]:
    """Raises OutOfRoom where the disk is full."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno not in NO_ROOM:
            raise
        told = _(
            "The adapter cannot be written: {error}. What was trained is kept in {folder}. Make "
            "room and go on with the same command and --resume."
        )
        raise OutOfRoom(told.format(error=error, folder=run.folder), error) from error


def report_seconds(prepared: Prepared, rate: float) -> float:
    """How long the report takes where so many tokens are read a second."""
    sides = _sides(None, prepared.renderer)
    efforts = efforts_of(*sides, _material(prepared), prepared.device)
    return sum(effort.seconds(rate) for effort in efforts)


def _sides(adapter: Path | None, renderer: ChatRenderer) -> tuple[Side, Side]:
    return Side(N_("the base"), None, renderer), Side(N_("the adapter"), adapter, renderer)


def _material(prepared: Prepared) -> Material:
    config, dataset = prepared.config, prepared.dataset
    return Material(
        conversations=dataset.held_out_conversations,
        rows=PairedRows(dataset.held_out, dataset.held_out),
        trained=dataset.rows,
        num_samples=config.report_samples,
        sample_tokens=config.report_tokens,
        depth=config.report,
    )


def _report(
    prepared: Prepared, run: Run, adapter: Path, training_loss: float, outcome: Outcome | None
) -> Report:
    """Raises Interrupted where the observer asks to stop between two parts of the comparison."""
    config, observer = prepared.config, prepared.observer
    sides = _sides(adapter, prepared.renderer)
    pair = Pair(prepared.base, *sides, prepared.device, config.micro_batch_tokens)
    steps = [each for each in run.metrics() if each.stage == "examples"]

    def announce(stage: str) -> None:
        if observer.should_stop():
            told = _(
                "Stopped after the training, before the adapter was finished; everything is saved "
                "in {folder}. The same command with --resume does the rest."
            )
            raise Interrupted(told.format(folder=run.folder))
        observer.on_stage(stage)

    return Report(
        name=prepared.name,
        base_id=prepared.base.id,
        baseline="the base",
        data=prepared.dataset.summary,
        measured=compare(pair, _material(prepared), announce, observer.on_work),
        history=History(steps, training_loss, _settings(prepared, steps, outcome)),
        disclaimer=config.disclaimer,
    )


def _settings(
    prepared: Prepared, steps: Sequence[StepMetrics], outcome: Outcome | None
) -> dict[str, str]:
    """What a reader may want to know of the run."""
    config = prepared.config
    told = {N_("preferences"): outcome.told} if outcome else {}
    return {
        **told,
        N_("steps"): str(len(steps)),
        N_("highest rate"): f"{max(step.learning_rate for step in steps):.1e}",
        N_("rank"): f"{config.rank}, alpha {config.effective_alpha:g}",
        N_("base in training"): config.quantize,
        N_("seed"): str(config.seed),
    }


def _metrics(report: Report, best_step: int, done: Continuation | None) -> dict[str, float]:
    losses, history = report.measured.unseen.nll, report.history
    assert history is not None
    return {
        BASE_LOSS: losses.baseline.value,
        ADAPTER_LOSS: losses.adapter.value,
        TRAINING_PRECISION_LOSS: history.loss,
        "num_steps": len(history.steps),
        BEST_STEP: best_step,
        **_continuation(done),
    }


def _continuation(done: Continuation | None) -> dict[str, float]:
    """What became of the adapter that the run went on from, at training precision."""
    if done is None:
        return {}
    return {
        "held_out_loss_before": done.loss_before,
        "num_corrections": done.num_corrections,
        "num_corrections_learned": done.num_learned,
    }


def _model_card(report: Report, name: str) -> str:
    disclaimer = f"\n> {report.disclaimer}\n" if report.disclaimer else ""
    return f"""---
library_name: peft
base_model: {report.base_id}
tags: [lora, lora-chat]
---
# {name}
{disclaimer}
A LoRA adapter for {report.base_id}, made by lora-chat from {report.data.num_trained} conversations.

{report.verdict}

Serve it with `lora-chat serve` and ask for the model `{name}`.
"""
