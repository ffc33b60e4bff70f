"""One fine-tuning job from end to end: data, base, training, comparison, adapter folder."""

import gc
import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data import Conversation, ReadOptions
from data.chat import ChatRenderer, Rendered
from data.check import read_checked
from data.conversation import Role
from data.personal import redact_conversation

from .adapter import check_name, new_version, newest_version, version_folder
from .base import Base, find_base, load_model
from .card import TEMPLATE_FILE, AdapterCard, BaseIdentity, DataSummary
from .checkpoint import load_checkpoint
from .config import TrainConfig
from .dataset import Dataset, prepare_dataset
from .errors import ConfigError, TrainingStopped
from .evaluate import answer_loss
from .hardware import pick_device, wide_precision
from .parent import find_parent
from .peft_model import add_adapter, load_adapter, save_adapter
from .plan import Plan, make_plan
from .report import Comparison, Report
from .run import Run, RunState
from .samples import Sample, generate_samples
from .train import Observer, StepMetrics, Trainer

logger = logging.getLogger(__name__)

RECORDED_PACKAGES = ("lora-chat", "torch", "transformers", "peft", "bitsandbytes")


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished job leaves."""

    name: str
    version: str
    folder: Path
    run: Path
    precision: str  # of the comparison
    base_loss: float  # held-out, per answer token, in nats
    adapter_loss: float
    training_loss: float  # the same rows at training precision
    verdict: str

    @property
    def gain(self) -> float:
        return 1 - self.adapter_loss / self.base_loss


class Job:
    """Owns the steps of one run; `execute` goes through them in order."""

    def __init__(self, config: TrainConfig, home: Path, observer: Observer) -> None:
        if config.data is None:
            raise ConfigError("The options have faults", ["data: say which file to train on"])
        self.data_path = config.data
        self.home = home
        self.adapters = home / "adapters"
        self.observer = observer
        self.device = pick_device()
        self.name = config.name or Path(config.data.name.removesuffix(".gz")).stem
        self.config = config

    def execute(self, *, resume: bool = False) -> Result:
        """Raises DataError or FinetuneError; nothing appears under `adapters/` unless it ends."""
        self.observer.on_stage(f"Reading {self.data_path}")
        conversations = self._read()
        check_name(self.name, self.config.base)  # before a base is fetched or converted
        base = find_base(self.config.base, self.home)
        check_name(self.name, base.id)
        parent = find_parent(self.config, base, self.adapters)
        renderer = ChatRenderer(base.tokenizer)
        dataset = prepare_dataset(conversations, renderer, self.config, self.data_path)
        plan = make_plan(
            self.config, [len(row.token_ids) for row in dataset.rows], base.config["hidden_size"]
        )
        run = self._open_run(dataset.summary, resume=resume)
        self.observer.on_stage(_describe(plan, dataset, base))
        try:
            trainer = self._train(base, plan, dataset, run, parent, resume=resume)
        except BaseException:
            run.discard_unused()
            raise
        return self._finish(base, renderer, dataset, run, trainer)

    def _read(self) -> list[Conversation]:
        roles: dict[str, Role] = {name.lower(): role for name, role in self.config.roles.items()}
        options = ReadOptions(roles, self.config.columns)
        conversations, findings = read_checked(self.data_path, options)
        warnings = [
            f"{kind} {count}"
            for (severity, kind), count in findings.counts.items()
            if severity == "warning"
        ]
        if warnings:
            logger.warning(
                "Worth a look before you train on it: %s. `lora-chat data check %s` says where",
                ", ".join(warnings),
                self.data_path,
            )
        if self.config.redact:
            return [redact_conversation(each) for each in conversations]
        return conversations

    def _open_run(self, summary: DataSummary, *, resume: bool) -> Run:
        state = RunState(name=self.name, data_sha256=summary.sha256)
        begin = Run.resume if resume else Run.start
        return begin(self.config, state, self.home / "runs")

    def _train(
        self,
        base: Base,
        plan: Plan,
        dataset: Dataset,
        run: Run,
        parent: Path | None,
        *,
        resume: bool,
    ) -> Trainer:
        import torch

        quantize = self.config.quantize
        precision = wide_precision(self.device) if quantize == "none" else quantize
        self.observer.on_stage(f"Loading {base.id} in {precision} on {self.device}")
        model = load_model(base, precision, self.device)
        checkpointing = self.config.gradient_checkpointing
        if checkpointing if checkpointing is not None else self.device == "cuda":
            model.activation_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(self.config.seed)  # the adapter's first weights
        if parent is None:
            model = add_adapter(model, self.config, plan.dropout)
        else:
            model = load_adapter(model, parent, trainable=True)
        trainer = Trainer(
            model, plan, self.config, run.folder, self.device, _Logging(self.observer, run)
        )
        if resume:
            trainer.restore(*load_checkpoint(run.folder))
            run.forget_after(trainer.progress.step)
        self.observer.on_stage("Training")
        trainer.train(dataset.rows, dataset.held_out)
        trainer.restore_best()
        return trainer

    def _finish(
        self, base: Base, renderer: ChatRenderer, dataset: Dataset, run: Run, trainer: Trainer
    ) -> Result:
        training_loss = trainer.progress.best_loss
        assert training_loss is not None, "every plan evaluates after its last step"
        with new_version(self.adapters, self.name, promoted=self.config.promote) as folder:
            save_adapter(trainer.model, folder, base.id)
            self._release(trainer)
            report = self._compare(base, renderer, dataset, run, folder, training_loss)
            report.write(folder / "report.html")
            (folder / TEMPLATE_FILE).write_text(renderer.template, encoding="utf-8")
            self._card(base, renderer, dataset, report).write(folder)
            (folder / "README.md").write_text(_model_card(report, self.name), encoding="utf-8")
        version = newest_version(self.adapters, self.name)
        run.finish(f"{self.name}@{version}")
        return Result(
            name=self.name,
            version=version,
            folder=version_folder(self.adapters, self.name, version),
            run=run.folder,
            precision=report.precision,
            base_loss=report.comparison.base.per_token,
            adapter_loss=report.comparison.adapter.per_token,
            training_loss=training_loss,
            verdict=report.verdict,
        )

    def _compare(
        self,
        base: Base,
        renderer: ChatRenderer,
        dataset: Dataset,
        run: Run,
        adapter: Path,
        training_loss: float,
    ) -> Report:
        """Measure base and adapter on the held-out rows, without 4-bit weights."""
        precision = wide_precision(self.device)
        self._after_training(f"Comparing base and adapter on held-out rows in {precision}", run)
        model = load_adapter(load_model(base, precision, self.device), adapter)
        model.eval()
        comparison = self._measure(model, dataset.held_out)
        samples: list[Sample] = []
        if self.config.report_samples:
            self._after_training("Writing sample answers for the report", run)
            asked = dataset.held_out_conversations[: self.config.report_samples]
            samples = generate_samples(
                model, base.tokenizer, renderer, asked, self.config.report_tokens, self.device
            )
        return Report(
            name=self.name,
            base_id=base.id,
            precision=precision,
            comparison=comparison,
            training_loss=training_loss,
            num_trained=dataset.summary.num_trained,
            num_held_out=dataset.summary.num_held_out,
            steps=run.metrics(),
            samples=samples,
            disclaimer=self.config.disclaimer,
        )

    def _after_training(self, stage: str, run: Run) -> None:
        if self.observer.should_stop():
            raise TrainingStopped(
                f"Stopped after the training, before the adapter was finished; everything is saved "
                f"in {run.folder}. The same command with --resume does the rest."
            )
        self.observer.on_stage(stage)

    def _measure(self, model: Any, held_out: Sequence[Rendered]) -> Comparison:
        budget = self.config.micro_batch_tokens
        with model.disable_adapter():
            base = answer_loss(model, held_out, budget, self.device)
        return Comparison(base, answer_loss(model, held_out, budget, self.device))

    def _release(self, trainer: Trainer) -> None:
        """Free the training model before the serving one is loaded."""
        import torch

        del trainer.model, trainer.optimizer, trainer.parameters
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _card(
        self, base: Base, renderer: ChatRenderer, dataset: Dataset, report: Report
    ) -> AdapterCard:
        return AdapterCard(
            name=self.name,
            base=BaseIdentity(id=base.id, fingerprint=base.fingerprint),
            chat_template_sha256=renderer.sha256,
            preamble=renderer.preamble,
            system=self.config.system,
            sampling=self.config.sampling,
            disclaimer=self.config.disclaimer,
            data=dataset.summary,
            config=self.config.model_dump(mode="json", exclude={"data", "output_dir"}),
            metrics={
                "held_out_loss_base": report.comparison.base.per_token,
                "held_out_loss_adapter": report.comparison.adapter.per_token,
                "held_out_loss_training_precision": report.training_loss,
                "num_steps": len(report.steps),
            },
            versions={name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
            created=datetime.now(UTC),
        )


class _Logging:
    """An observer that also writes each step to the run's metrics."""

    def __init__(self, observer: Observer, run: Run) -> None:
        self._observer = observer
        self._run = run

    def on_stage(self, text: str) -> None:
        self._observer.on_stage(text)

    def on_step(self, metrics: StepMetrics) -> None:
        self._run.log(metrics)
        self._observer.on_step(metrics)

    def should_stop(self) -> bool:
        return self._observer.should_stop()


def _describe(plan: Plan, dataset: Dataset, base: Base) -> str:
    return (
        f"{dataset.summary.num_trained} conversations to train on, {dataset.summary.num_held_out} "
        f"held out; {plan.num_steps} steps of {plan.batch_size} on {base.id}, "
        f"{plan.num_tokens:,} tokens, learning rate {plan.learning_rate:.1e}"
    )


def _model_card(report: Report, name: str) -> str:
    disclaimer = f"\n> {report.disclaimer}\n" if report.disclaimer else ""
    return f"""---
library_name: peft
base_model: {report.base_id}
tags: [lora, lora-chat]
---
# {name}
{disclaimer}
A LoRA adapter for {report.base_id}, made by lora-chat from {report.num_trained} conversations.

{report.verdict}

Serve it with `lora-chat serve` and ask for the model `{name}`.
"""
