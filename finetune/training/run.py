"""The folder of one training run: its config, its metrics and whether it came to an end."""

import json
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from data.whole_file import (
    make_lasting,
    remove_new,
    remove_unfinished,
    remove_whole,
    whole_file,
)
from data.wording import _
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import promote, version_folders
from finetune.errors import AdapterInvalid, ConfigError, NotResumable
from finetune.wrong_values import told

from .checkpoint import list_checkpoints
from .config import TrainConfig, load_config
from .observer import StepMetrics

CONFIG_FILE = "config.yaml"
STATE_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
SERVED_FOLDER = "served"  # its checkpoints as adapters, while it goes on
# What may change when a run goes on: it trains the same all the same. Name and files are compared
# as what they are, not as how they were said.
FREE = {
    *("data", "validation", "name", "output_dir"),
    *("micro_batch_tokens", "gradient_checkpointing", "save_steps", "promote"),
    "serve_checkpoints",
    *("report", "report_samples", "report_tokens", "disclaimer", "sampling"),
}


class RunState(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = ""  # which the card of what it makes bears; of a run that is older than these: none
    name: str
    data_sha256: str
    data: Path | None = None  # from the root; None where it is no file
    validation: Path | None = None  # the same of what is held out, if not a part of the data
    held_out: tuple[str, ...] = ()  # identities of the conversations
    adapter: str | None = None  # name@version, once it is made


class Run:
    """Owns a run's folder."""

    def __init__(self, folder: Path, state: RunState) -> None:
        self.folder = folder
        self.state = state

    @classmethod
    def start(cls, config: TrainConfig, state: RunState, runs: Path) -> "Run":
        """Make the folder of a new run. Raises ConfigError if `output_dir` is in use."""
        folder = config.output_dir or _next_folder(runs, state.name)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            told = _("{folder} is not empty; choose a new folder")
            raise ConfigError("output_dir", [told.format(folder=folder)])
        make_lasting(folder)
        run = cls(folder, state)
        run._write(CONFIG_FILE, config.dump())
        run._write_new_id()
        return run

    @classmethod
    def resume(
        cls,
        config: TrainConfig,
        state: RunState,
        runs: Path,
        adapters: Path,
        on_found: Callable[[Path], None] = lambda _folder: None,
    ) -> "Run":
        """Find the newest unfinished run of this name. `on_found` is told its folder before
        anything in it changes, and may raise where somebody works on it.

        Raises NotResumable if there is none, or if its data or options were others.
        """
        folders = [config.output_dir] if config.output_dir else _folders(runs, state.name)
        found = [folder for folder in folders if folder and list_checkpoints(folder)]
        if not found:
            told = _(
                "There is no interrupted run of {name!r} with a checkpoint to go on from. Leave "
                "out --resume to start one."
            )
            raise NotResumable(told.format(name=state.name))
        run = cls(found[-1], read_state(found[-1]))
        run._check_state(state)
        run._check_config(config, state)
        on_found(run.folder)
        settle(run.folder, adapters)
        run.state = read_state(run.folder)
        run._check_state(state)  # it may have been killed after its version appeared
        run._write(CONFIG_FILE, config.dump())
        if not run.state.id:
            run._write_new_id()
        return run

    def discard_unused(self) -> None:
        """Remove the folder of a run that failed before its first step."""
        if not self.metrics() and not list_checkpoints(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, adapter: str) -> None:
        """Note what it has made, instead of which nobody asks its checkpoints any more."""
        self.state.adapter = adapter
        self._write_state()
        served = self.folder / SERVED_FOLDER
        if served.is_dir():
            with suppress(OSError):  # what was made counts, whatever is left of these
                remove_whole(served)

    def log(self, metrics: StepMetrics) -> None:
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(metrics)) + "\n")

    def metrics(self) -> list[StepMetrics]:
        return read_metrics(self.folder)

    def forget_after(self, step: int) -> None:
        """Drop the metrics of steps that will be done again."""
        kept = [metrics for metrics in self.metrics() if metrics.step <= step]
        with whole_file(self.folder / METRICS_FILE) as file:
            file.writelines(json.dumps(asdict(metrics)) + "\n" for metrics in kept)

    def _write_new_id(self) -> None:
        self.state.id = secrets.token_hex(8)
        self._write_state()

    def _write_state(self) -> None:
        self._write(STATE_FILE, self.state.model_dump_json(indent=2))

    def _write(self, name: str, text: str) -> None:
        with whole_file(self.folder / name, lasting=True) as file:
            file.write(text)

    def _check_state(self, state: RunState) -> None:
        if self.state.adapter is not None:
            told = _(
                "The last run of {name!r} is complete: it made {adapter}. Leave out --resume to "
                "train a new version."
            )
            raise NotResumable(told.format(name=state.name, adapter=self.state.adapter))
        if self.state.data_sha256 != state.data_sha256:
            told = _(
                "The data has changed since the run in {folder} began, so it cannot go on from "
                "there. Leave out --resume to start anew."
            )
            raise NotResumable(told.format(folder=self.folder))

    def _check_config(self, config: TrainConfig, state: RunState) -> None:
        before = load_config(self.folder / CONFIG_FILE, {}).model_dump(mode="json", exclude=FREE)
        now = config.model_dump(mode="json", exclude=FREE)
        before |= {"name": self.state.name, "validation": self.state.validation}
        now |= {"name": state.name, "validation": state.validation}
        none = _("not given")
        if changed := [f"{key} ({before[key] or none})" for key in now if now[key] != before[key]]:
            told = _(
                "The run in {folder} was started with other values: {changed}. Give the same ones, "
                "or leave out --resume to start anew."
            )
            raise NotResumable(told.format(folder=self.folder, changed=", ".join(changed)))


def read_metrics(folder: Path) -> list[StepMetrics]:
    """The steps that a run has done, oldest first; none where it has not begun."""
    path = folder / METRICS_FILE
    lines = path.read_text(encoding="utf-8").splitlines(True) if path.is_file() else []
    # A full disk or a kill may have left half of a last line.
    return [StepMetrics(**json.loads(line)) for line in lines if line.endswith("\n")]


def read_state(folder: Path) -> RunState:
    try:
        return RunState.model_validate_json((folder / STATE_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        said = _("The run in {folder} cannot be read: {error}")
        raise NotResumable(said.format(folder=folder, error=told(error))) from error


def made_version(run: Path, adapters: Path) -> AdapterVersion | None:
    """The version that a run has made, also where it was killed before it could note so.

    None: there is none, or no longer. Raises NotResumable where the run cannot be read.
    """
    if not (run / STATE_FILE).exists():
        return None
    state = read_state(run)
    folders = version_folders(adapters, state.name).items()
    versions = (AdapterVersion(state.name, number, folder) for number, folder in folders)
    return next((each for each in versions if _is_made_by(state, each)), None)


def _is_made_by(state: RunState, version: AdapterVersion) -> bool:
    if not state.id:
        return str(version) == state.adapter
    try:
        return version.card is not None and version.card.run == state.id
    except AdapterInvalid:
        return False


def settle(run: Path, adapters: Path, *, promotes: bool = True) -> AdapterVersion | None:
    """Do what a run that was killed has left undone, and that resuming it would not do: promote and
    note the version that it made, or remove what it had begun to make one of. What is about to be
    removed is not promoted before.

    Nobody works on the run. Returns the version. Raises NotResumable where the run cannot be read.
    """
    if not (run / STATE_FILE).exists():
        return None
    state, made = read_state(run), made_version(run, adapters)
    remove_unfinished(run)
    if state.id:
        remove_new(adapters, state.id)
    if made is not None:
        if promotes and state.adapter is None and load_config(run / CONFIG_FILE, {}).promote:
            promote(adapters, made.name, made.number)
        Run(run, state).finish(str(made))
    return made


def _folders(runs: Path, name: str) -> list[Path]:
    """The runs of one adapter name, oldest first: `<name>-<number>`."""
    numbered = [
        (int(number), folder)
        for folder in (runs.iterdir() if runs.is_dir() else [])
        for stem, dash, number in [folder.name.rpartition("-")]
        if dash and stem == name and number.isdecimal()
    ]
    return [folder for _number, folder in sorted(numbered)]


def _next_folder(runs: Path, name: str) -> Path:
    existing = _folders(runs, name)
    number = int(existing[-1].name.rpartition("-")[2]) + 1 if existing else 1
    return runs / f"{name}-{number}"
