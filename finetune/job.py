"""One fine-tuning job from end to end: data, base, training, and what comes of it."""

import logging
from pathlib import Path

from data import Conversation, ReadOptions
from data.chat import ChatRenderer
from data.check import read_checked
from data.conversation import Role
from data.personal import redact_conversation

from .adapter import check_name
from .base import Base, find_base, load_model
from .card import DataSummary
from .checkpoint import load_checkpoint
from .config import TrainConfig
from .dataset import Dataset, prepare_dataset
from .errors import ConfigError
from .finish import Result, Trained, finish
from .hardware import pick_device, wide_precision
from .parent import find_parent
from .peft_model import add_adapter, load_adapter
from .plan import Plan, make_plan
from .run import Run, RunState
from .train import Observer, StepMetrics, Trainer

logger = logging.getLogger(__name__)


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
        trained = Trained(
            self.name, self.config, base, renderer, dataset, run, self.device, self.observer
        )
        return finish(trained, trainer, self.adapters)

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
