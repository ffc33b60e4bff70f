"""The folder of one training run: its config, its metrics and whether it came to an end."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from data.whole_file import whole_file
from data.wording import _
from finetune.errors import ConfigError, NotResumable
from finetune.wrong_values import told

from .checkpoint import list_checkpoints
from .config import TrainConfig, dump_config, load_config
from .observer import StepMetrics

CONFIG_FILE = "config.yaml"
STATE_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
# What may change when a run goes on: it trains the same all the same.
FREE = {
    *("micro_batch_tokens", "gradient_checkpointing", "save_steps", "promote"),
    *("report", "report_samples", "report_tokens", "disclaimer", "sampling"),
}


class RunState(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    data_sha256: str
    data: Path | None = None  # from the root; None where it is no file
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
        folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder, state)
        run._write_config(config)
        run._write_state()
        return run

    @classmethod
    def resume(cls, config: TrainConfig, state: RunState, runs: Path) -> "Run":
        """Find the newest unfinished run of this name.

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
        run._check_config(config)
        return run

    def discard_unused(self) -> None:
        """Remove the folder of a run that failed before its first step."""
        if not self.metrics() and not list_checkpoints(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, adapter: str) -> None:
        self.state.adapter = adapter
        self._write_state()

    def log(self, metrics: StepMetrics) -> None:
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(metrics)) + "\n")

    def metrics(self) -> list[StepMetrics]:
        path = self.folder / METRICS_FILE
        lines = path.read_text(encoding="utf-8").splitlines(True) if path.is_file() else []
        # A full disk or a kill may have left half of a last line.
        return [StepMetrics(**json.loads(line)) for line in lines if line.endswith("\n")]

    def forget_after(self, step: int) -> None:
        """Drop the metrics of steps that will be done again."""
        kept = [metrics for metrics in self.metrics() if metrics.step <= step]
        with whole_file(self.folder / METRICS_FILE) as file:
            file.writelines(json.dumps(asdict(metrics)) + "\n" for metrics in kept)

    def _write_config(self, config: TrainConfig) -> None:
        with whole_file(self.folder / CONFIG_FILE) as file:
            file.write(dump_config(config))

    def _write_state(self) -> None:
        (self.folder / STATE_FILE).write_text(
            self.state.model_dump_json(indent=2), encoding="utf-8"
        )

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

    def _check_config(self, config: TrainConfig) -> None:
        before = load_config(self.folder / CONFIG_FILE, {}).model_dump(mode="json", exclude=FREE)
        now = config.model_dump(mode="json", exclude=FREE)
        none = _("not given")
        if changed := [f"{key} ({before[key] or none})" for key in now if now[key] != before[key]]:
            told = _(
                "The run in {folder} was started with other values: {changed}. Give the same ones, "
                "or leave out --resume to start anew."
            )
            raise NotResumable(told.format(folder=self.folder, changed=", ".join(changed)))
        self._write_config(config)


def read_state(folder: Path) -> RunState:
    try:
        return RunState.model_validate_json((folder / STATE_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        said = _("The run in {folder} cannot be read: {error}")
        raise NotResumable(said.format(folder=folder, error=told(error))) from error


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
