"""One evaluation from end to end: an adapter, data, and the same report as after training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.conversation import Conversation, good_ones
from data.errors import UnreadableFile
from data.reading.beginning import speak_like_files
from data.reading.reader import ReadOptions
from data.script import speak_like
from data.wording import N_, _

from .adapters.card import DataSummary
from .adapters.trained_base import check_base, find_trained_base
from .adapters.version import AdapterVersion
from .adapters.versions import find_version
from .bases.base import Base
from .errors import AdapterInvalid
from .evaluation.compare import Material, compare
from .evaluation.effort import OnWork
from .evaluation.report import Report
from .evaluation.sides import Pair, Side, render_pair
from .export.yardstick import config_of, own_dataset
from .hardware import pick_device
from .training.config import TrainConfig
from .training.dataset import Dataset
from .training.going_on.identity import hash_conversations
from .training.rows import Reader, without_system
from .whole_folder import whole_folder

DEFAULT_SAMPLES: int = TrainConfig.model_fields["report_samples"].default


@dataclass(frozen=True, slots=True)
class EvalOptions:
    adapter: str  # name, or name@version
    data: Path
    against: str | None = None  # another adapter; None: the base alone
    base: str | None = None  # what the adapter itself names
    out: Path | None = None  # under home if None
    limit: int | None = None  # conversations, the first ones
    report_samples: int | None = None  # as many as after training
    report_tokens: int | None = None
    reading: ReadOptions = field(default_factory=ReadOptions)


class EvalJob:
    """Owns the steps of one evaluation; `execute` goes through them in order."""

    def __init__(
        self,
        options: EvalOptions,
        home: Path,
        announce: Callable[[str], None],
        on_work: OnWork = lambda *_: None,
    ) -> None:
        self.options = options
        self.home = home
        self.announce = announce
        self.on_work = on_work
        self.version = find_version(home / "adapters", options.adapter)
        self.config = config_of(self.version.card)

    def execute(self) -> tuple[Report, Path]:
        """Write report and metrics into a new folder.

        Raises DataError or FinetuneError; nothing appears unless it ends.
        """
        out = self.options.out or _next_folder(self.home / "evals", self.version.name)
        with whole_folder(out) as folder:
            self.announce(_("Reading {path}").format(path=self.options.data))
            conversations = self._read()
            speak_like(conversations)
            base = find_trained_base(self.version, self.options.base, self.home)
            side, baseline = self._sides(base)
            dataset = own_dataset(
                conversations, self.version.card, side.renderer, self.options.data
            )
            material = self._material(conversations, dataset, side, baseline)
            self.announce(_("Loading {base}").format(base=base.id))
            pair = Pair(base, baseline, side, pick_device(), self.config.micro_batch_tokens)
            report = Report(
                name=str(self.version),
                base_id=base.id,
                baseline=baseline.name,
                data=self._summary(conversations, dataset, len(material.conversations)),
                measured=compare(pair, material, self.announce, self.on_work),
                disclaimer=self.version.disclaimer,
            )
            report.write(folder)
        return report, out

    def _material(
        self,
        conversations: Sequence[Conversation],
        dataset: Dataset | None,
        side: Side,
        baseline: Side,
    ) -> Material:
        """What to evaluate on: the held-out part of the adapter's own data, all of other data."""
        if dataset is not None:
            if dataset.rows:  # and not a file that was held out whole
                self.announce(_("The adapter was trained on this data: taking what was held out"))
            conversations = without_system(dataset.held_out_conversations, side.system)
        chosen = good_ones(conversations)[: self.options.limit]
        samples = self.options.report_samples
        return Material(
            conversations=chosen,
            rows=render_pair(baseline, side, chosen, self.config.max_tokens),
            # Another adapter may see them through another template: left out.
            trained=dataset.rows if dataset and baseline.adapter is None else (),
            num_samples=DEFAULT_SAMPLES if samples is None else samples,
            sample_tokens=self.options.report_tokens,
            are_unseen=dataset is not None,
        )

    def _read(self) -> list[Conversation]:
        """Read the data as the adapter's own was read, where the options say nothing else."""
        said, trained_with = self.options.reading, self.config.reading
        options = ReadOptions(
            said.roles or trained_with.roles,
            said.columns or trained_with.columns,
            trained_with.faulty if said.faulty == "stop" else said.faulty,
            trained_with.with_bad,
        )
        speak_like_files(self.options.data)
        conversations = Reader(options, self.config.redact).read(self.options.data)
        if not conversations:
            raise UnreadableFile(self.options.data, _("holds no conversation to evaluate on"))
        return conversations

    def _sides(self, base: Base) -> tuple[Side, Side]:
        """The adapter and what it is compared with."""
        side = side_of(self.version, base)
        if self.options.against is None:
            return side, Side(N_("the base"), None, side.renderer, side.system)
        other = find_version(self.home / "adapters", self.options.against)
        if other.folder == self.version.folder:
            told = _("{adapter} would be compared with itself. Name another version.")
            raise AdapterInvalid(told.format(adapter=other))
        return side, side_of(other, base)

    def _summary(
        self, conversations: Sequence[Conversation], dataset: Dataset | None, num_chosen: int
    ) -> DataSummary:
        if dataset is not None:
            return dataset.summary
        return DataSummary(
            source=self.options.data.name,
            sha256=hash_conversations(conversations),
            num_conversations=len(conversations),
            num_trained=0,
            num_held_out=num_chosen,
        )


def side_of(version: AdapterVersion, base: Base) -> Side:
    """A version as one of two sides.

    Raises AdapterInvalid, and BaseMismatch where it was trained on another base.
    """
    check_base(version.read(), base)
    return Side(str(version), version.folder, version.renderer(base.tokenizer), version.system)


def _next_folder(evals: Path, name: str) -> Path:
    number = 1
    while (evals / f"{name}-{number}").exists():
        number += 1
    return evals / f"{name}-{number}"
