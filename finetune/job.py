"""One fine-tuning job from end to end: data, base, training, and what comes of it."""

import logging
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from data.chat import ChatRenderer
from data.conversation import Conversation
from data.script import speak_like
from data.wording import _

from .adapters.trained_base import check_base
from .adapters.versions import check_has_versions, check_name
from .bases.base import Base, find_base, load_model
from .bases.engines import other_engines
from .bases.spelling import warn_of_spelling
from .errors import ConfigError, Interrupted
from .finish import Result, finish
from .hardware import pick_device, wide_precision
from .preference.outcome import Outcome
from .preference.plan import plan_preferences
from .preference.stage import PreferenceStage
from .prepared import Prepared
from .rehearsal import Rehearsal, rehearse
from .served import ServedCheckpoints
from .sweep import check_comparable
from .training.announcement import describe_lineage, describe_plan, describe_start
from .training.checkpoint import (
    Progress,
    check_room,
    list_checkpoints,
    load_checkpoint,
    read_progress,
)
from .training.config import TrainConfig
from .training.dataset import DatasetMaker
from .training.going_on.continuation import Continuation
from .training.going_on.lineage import Lineage, find_lineage
from .training.going_on.parent import find_parent
from .training.journal import Journal, log_file
from .training.observer import Observer, Placed, Silent
from .training.peft_model import add_adapter, load_adapter
from .training.plan import make_plan
from .training.processes import Processes, join_processes
from .training.rows import TrainingData
from .training.run import Run, RunState
from .training.trainer import Trainer

logger = logging.getLogger(__name__)


class Job:
    """Owns the steps of one run. Several processes may have started it: all do the same, and what
    is written, the first one writes."""

    def __init__(
        self,
        config: TrainConfig,
        home: Path,
        observer: Observer | None = None,
        processes: Processes | None = None,
    ) -> None:
        """Raises ConfigError, and AdapterInvalid where there is no adapter to go on from."""
        if config.data is None:
            fault = _("data: say which file to train on")
            raise ConfigError(_("The options have faults"), [fault])
        self.data_path = config.data
        self.home = home
        self.adapters = home / "adapters"
        self.observer = observer or Silent()
        self.device = pick_device()
        self.parent, self.config = find_parent(config, self.adapters)
        stem = Path(config.data.name.removesuffix(".gz")).stem
        self.name = config.name or (self.parent.name if self.parent else stem)
        self.processes = processes or join_processes()

    def prepare(self) -> Prepared:
        """Decide everything that is decided before the first step; no run begins by it.

        Raises DataError or FinetuneError.
        """
        self.observer.on_stage(_("Reading {path}").format(path=self.data_path))
        data = TrainingData.read(self.data_path, self.config)
        speak_like(data.conversations)
        check_name(self.name, self.config.base)  # before a base is fetched or converted
        with self.processes.first_before_others():
            base = find_base(self.config.base, self.home)
        check_name(self.name, base.id)
        for warning in (
            warn_of_spelling(data.conversations, base),
            other_engines(base.transformers_config),
        ):
            if warning:
                logger.warning("%s", warning)
        check_has_versions(self.adapters, self.name)
        renderer = ChatRenderer(base.tokenizer, plain_marks=self.config.plain_marks)
        lineage = self._lineage(base, renderer, data.old)
        dataset = DatasetMaker(self.config, renderer).prepare(data, lineage)
        lengths = [len(row.token_ids) for row in dataset.rows]
        plan = make_plan(self.config, lengths, base.hidden_size, dataset.num_corrections)
        preferences = plan_preferences(self.config, dataset, renderer, plan)
        for sentence in (
            *describe_lineage(lineage, dataset),
            describe_plan(plan, dataset, base),
            *([preferences.told] if preferences else []),
        ):
            self.observer.on_stage(sentence)
        return Prepared(
            self.name,
            self.config,
            self.device,
            self.observer,
            base,
            lineage,
            renderer,
            dataset,
            plan,
            preferences,
        )

    def execute(
        self,
        *,
        resume: bool = False,
        prepared: Prepared | None = None,
        on_begun: Callable[[Path], None] = lambda _folder: None,
    ) -> Result:
        """Train and make a version; `prepared` is this job's own, where it was looked at before.
        `on_begun` is told the run's folder, in the first process, once there is one and before
        anything changes in one that was there.

        Raises DataError or FinetuneError; nothing appears under `adapters/` unless it ends.
        """
        prepared = prepared or self.prepare()
        run = self._open_run(prepared, on_begun, resume=resume)
        with _saying_what_is_kept(run), self._logged(run):
            trainer, before, outcome = self._train(prepared, run, resume=resume)
            done = self._compare(prepared, trainer, before)
            return self.processes.from_first(
                lambda: finish(prepared, run, trainer, self.adapters, done, outcome)
            )

    def try_out(self) -> float:
        """Train in a folder that is this run's alone, and leave the rest to `execute(resume=True)`.
        Goes on where it was stopped.

        Returns the best held-out loss, per answer token in nats.
        """
        resume = self.take_up()
        prepared = self.prepare()
        check_comparable(prepared.dataset)
        run = self._open_run(prepared, resume=resume)
        with _saying_what_is_kept(run), self._logged(run):
            trainer, *_rest = self._train(prepared, run, resume=resume)
            loss = trainer.progress.best_loss
            trainer.release()
        assert loss is not None, "every plan evaluates after its last step"
        return loss

    def take_up(self) -> bool:
        """Whether there is something to resume in a folder that is this run's alone; where it was
        stopped before that, what is left is removed."""
        folder = self.config.output_dir
        if folder is None or list_checkpoints(folder):
            return folder is not None
        self.processes.from_first(lambda: shutil.rmtree(folder, ignore_errors=True))
        return False

    def rehearse(self, like: Rehearsal | None = None) -> Rehearsal:
        """What the run would do, measured on a few steps, or as fast as another one that was; no
        run and no adapter comes of it."""
        prepared = self.prepare()
        if like is not None:
            return like.scaled(prepared)
        trainer = self._trainer(prepared, self.home, self.observer)
        told = _("Measuring a few steps, with {core}")
        self.observer.on_stage(told.format(core=trainer.core.name))
        return rehearse(trainer, prepared)

    def _logged(self, run: Run) -> AbstractContextManager[None]:
        return log_file(run) if self.processes.is_first else nullcontext()

    def _lineage(
        self, base: Base, renderer: ChatRenderer, old: Sequence[Conversation]
    ) -> Lineage | None:
        """Raises BaseMismatch."""
        if self.parent is None:
            return None
        check_base(self.parent, base)
        return find_lineage(self.parent, self.home / "runs", renderer, old)

    def _open_run(
        self,
        prepared: Prepared,
        on_begun: Callable[[Path], None] = lambda _folder: None,
        *,
        resume: bool,
    ) -> Run:
        dataset = prepared.dataset
        state = RunState(
            name=self.name,
            data_sha256=dataset.sha256,
            data=_absolute(self.data_path),
            validation=_absolute(self.config.validation),
            held_out=dataset.identities,
        )
        return self.processes.from_first(lambda: self._begin(state, on_begun, resume=resume))

    def _begin(self, state: RunState, on_begun: Callable[[Path], None], *, resume: bool) -> Run:
        runs = self.home / "runs"
        if resume:
            return Run.resume(self.config, state, runs, self.adapters, on_begun)
        run = Run.start(self.config, state, runs)
        on_begun(run.folder)
        return run

    def _train(
        self, prepared: Prepared, run: Run, *, resume: bool
    ) -> tuple[Trainer, float | None, Outcome | None]:
        """The trainer when it is done, the held-out loss of the adapter before, and what learning
        from preferences has come to."""
        before = outcome = None
        reached = load_checkpoint(run.folder) if resume else None
        try:
            with self._journal(run, _steps_done(run, reached and reached[0])) as observer:
                placed = Placed(observer, after=prepared.num_later_steps)
                trainer = self._trainer(prepared, run.folder, placed)
                if self.processes.is_first:
                    check_room(run.folder, trainer.best)
                if self.config.serve_checkpoints:
                    trainer.on_saved = ServedCheckpoints(prepared, run, trainer.model).update
                if prepared.lineage is not None:
                    told = _("Measuring {parent} on what it held out")
                    observer.on_stage(told.format(parent=prepared.lineage.parent))
                    before = trainer.held_out_loss(prepared.dataset.held_out)
                if reached is not None:
                    trainer.restore(*reached)
                    reached = None  # it is as large as the trainer's own
                done = trainer.progress.step
                observer.on_stage(
                    describe_start(trainer.plan, self.device, trainer.core.name, done)
                )
                trainer.train(prepared.dataset.rows, prepared.dataset.held_out)
                trainer.restore_best()
                if prepared.preferences is not None:
                    held_out = prepared.dataset.held_out
                    stage = PreferenceStage(prepared.preferences, trainer, held_out, observer)
                    outcome = stage.execute(resume=resume)
        except BaseException:
            if self.processes.is_first:
                run.discard_unused()
            raise
        return trainer, before, outcome

    @contextmanager
    def _journal(self, run: Run, done_steps: int) -> Generator[Observer]:
        """Whoever is told of the steps: of several processes, the first one writes them down."""
        if not self.processes.is_first:
            yield self.observer
            return
        run.forget_after(done_steps)
        with closing(Journal(self.observer, run, done_steps)) as journal:
            yield journal

    def _compare(
        self, prepared: Prepared, trainer: Trainer, before: float | None
    ) -> Continuation | None:
        """Compare with the adapter that the run has gone on from."""
        after, number = trainer.progress.best_loss, prepared.dataset.num_corrections
        if prepared.lineage is None or before is None or after is None:
            return None
        num_learned = trainer.count_learned(prepared.dataset.rows[:number])
        return Continuation(prepared.lineage.parent, before, after, number, num_learned)

    def _trainer(self, prepared: Prepared, folder: Path, observer: Observer) -> Trainer:
        model = self._model(prepared)
        return Trainer(
            model, prepared.plan, self.config, folder, self.device, observer, self.processes
        )

    def _model(self, prepared: Prepared) -> Any:
        import torch

        quantize = self.config.quantize
        precision = wide_precision(self.device) if quantize == "none" else quantize
        told = _("Loading {base} in {precision} on {device}")
        self.observer.on_stage(
            told.format(base=prepared.base.id, precision=precision, device=self.device)
        )
        model = load_model(prepared.base, precision, self.device)
        if self.config.is_checkpointed(self.device):
            model.activation_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(self.config.seed)  # the adapter's first weights
        if self.parent is not None:
            return load_adapter(model, self.parent.folder, trainable=True)
        return add_adapter(model, self.config, prepared.plan.dropout)


def _absolute(path: Path | None) -> Path | None:
    """None where it is no file."""
    return path.resolve() if path and path.exists() else None


def _steps_done(run: Run, reached: Progress | None) -> int:
    """Those of both stages, of which the second one's follow."""
    if reached is None:
        return 0
    later = read_progress(run.folder, "preferences")
    return reached.step + (later.step if later else 0)


@contextmanager
def _saying_what_is_kept(run: Run) -> Generator[None]:
    """Raises Interrupted for a Ctrl-C that waited for no step to end, where there is something."""
    try:
        yield
    except KeyboardInterrupt:
        if not list_checkpoints(run.folder):
            raise
        told = _(
            "Stopped. What was trained up to the last save is kept in {folder}. Go on with the "
            "same command and --resume."
        )
        raise Interrupted(told.format(folder=run.folder)) from None
