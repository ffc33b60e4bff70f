"""Several runs that differ in a few values, compared on the same held-out rows."""

import json
import logging
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from data.whole_file import whole_file
from data.wording import _

from .errors import ConfigError, Hopeless, NotResumable
from .rehearsal import Rehearsal
from .training.config import ALIASES, TrainConfig, load_config
from .training.dataset import Dataset
from .training.run import STATE_FILE, read_state

RESULTS_FILE = "sweep.json"
MOST = 64  # runs
# What decides which rows are held out and how they read, and what is each run's own.
FIXED = frozenset(
    {
        *("data", "validation", "base", "seed", "holdout", "max_tokens", "system", "roles"),
        *("columns", "faulty", "redact", "from_adapter", "method"),
        *("name", "output_dir", "promote"),
    }
)

# What decides how many steps there are and what they change, and not how long one takes.
AS_FAST = frozenset(
    {
        *("learning_rate", "learning_rate_multiplier", "warmup_ratio", "weight_decay"),
        *("epochs", "max_training_tokens"),
        *("dropout", "max_grad_norm", "evals_per_epoch", "patience", "replay_ratio", "alpha"),
        *("general_mix", "output_dir", "beta"),
    }
)

logger = logging.getLogger(__name__)

Values = dict[str, Any]
TryOut = Callable[[TrainConfig], float]  # gives the held-out loss
Rehearse = Callable[[TrainConfig, Rehearsal | None], Rehearsal]  # as fast as another, or measured


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep."""

    values: Values
    config: TrainConfig
    loss: float  # held-out, per answer token, in nats, at training precision

    @property
    def run(self) -> Path:
        assert self.config.output_dir is not None
        return self.config.output_dir

    def as_dict(self) -> Values:
        loss = self.loss if math.isfinite(self.loss) else None  # JSON knows no infinity
        return {"values": self.values, "held_out_loss": loss, "run": self.run.name}


def parse_sweep(assignments: Iterable[str]) -> list[Values]:
    """Every combination of `key=value,value` assignments.

    Raises ConfigError with every fault of them; whether keys and values are right, the
    configuration of each run says.
    """
    axes: dict[str, list[Any]] = {}
    faults: list[str] = []
    for assignment in assignments:
        written, equals, text = assignment.partition("=")
        key = ALIASES.get(written.strip(), written.strip())
        values = _values(text)
        if key in FIXED:
            told = _("{key}: runs that differ in it cannot be compared on the same rows")
            faults.append(told.format(key=key))
        if not equals or not key or not values:
            told = _("{assignment!r} is not key=value,value, such as rank=8,16,32")
            faults.append(told.format(assignment=assignment))
        if key in axes:
            told = _("{key}: given twice; put all its values behind one =")
            faults.append(told.format(key=key))
        axes[key] = values
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    if len(points) > MOST:
        told = _("{count} runs in all; at most {most} belong in one sweep")
        faults.append(told.format(count=len(points), most=MOST))
    if faults:
        raise ConfigError("--sweep", faults)
    return points


def _values(text: str) -> list[Any]:
    """The values of `1,2`; of what is no YAML, the text itself, for the configuration to refuse."""
    try:
        return [yaml.safe_load(part) for part in text.split(",") if part.strip()]
    except yaml.YAMLError:
        return [text]


def point_configs(config: TrainConfig, points: Sequence[Values], folder: Path) -> list[TrainConfig]:
    """The configuration of each run, with a folder of its own. Raises ConfigError."""
    given = config.model_dump(mode="json", exclude_unset=True)
    return [
        load_config(None, {**given, **values, "output_dir": folder / str(number)})
        for number, values in enumerate(points, start=1)
    ]


def rehearse_sweep(
    config: TrainConfig, points: Sequence[Values], folder: Path, rehearse: Rehearse
) -> list[Rehearsal]:
    """Rehearse each point; what is as fast as one measured takes its speed. Raises ConfigError."""
    measured: dict[str, Rehearsal] = {}
    found: list[Rehearsal] = []
    for one in point_configs(config, points, folder):
        key = one.model_dump_json(exclude=set(AS_FAST))
        found.append(rehearse(one, measured.get(key)))
        check_comparable(found[-1].dataset)
        measured.setdefault(key, found[-1])
    return found


def check_comparable(dataset: Dataset) -> None:
    """Raises ConfigError where what is held out tells nothing of what a run has learned."""
    if dataset.num_corrections:
        problem = _(
            "of {count} new conversations none is held out, so the run that learns the least of "
            "them would win; leave --sweep out, or give --holdout 0.3"
        )
        raise ConfigError("--sweep", [problem.format(count=dataset.num_corrections)])


def run_sweep(
    config: TrainConfig,
    points: Sequence[Values],
    folder: Path,
    try_out: TryOut,
    announce: Callable[[str], None],
    *,
    is_first: bool = True,
) -> list[Point]:
    """Train every point in turn; the results, best first, the first process writes to `sweep.json`.

    Runs that were interrupted go on, since `try_out` does; those that cannot come to an end count
    as the worst. Raises Hopeless where none can.
    """
    configs = point_configs(config, points, folder)
    tried: list[Point] = []
    for number, (values, one) in enumerate(zip(points, configs, strict=True), start=1):
        told = _("Run {number} of {total}: {values}")
        announce(told.format(number=number, total=len(points), values=show(values)))
        try:
            loss = try_out(one)
        except Hopeless as error:
            logger.warning("%s: %s", show(values), error)
            loss = math.inf
        tried.append(Point(values, one, loss))
    tried.sort(key=lambda point: point.loss)
    if tried[0].loss == math.inf:
        told = _("No run of the sweep came to its end. Try lower rates, or smaller values.")
        raise Hopeless(told)
    if is_first:
        with whole_file(folder / RESULTS_FILE) as file:
            json.dump([point.as_dict() for point in tried], file, ensure_ascii=False, indent=2)
    return tried


def sweep_folder(runs: Path, name: str, *, resume: bool) -> Path:
    """The folder of a new sweep, or of the last one if it was interrupted.

    Raises NotResumable where there is no such sweep.
    """
    pattern = re.compile(rf"{re.escape(name)}-sweep-(\d+)")
    found = {
        int(match[1]): path
        for path in (runs.iterdir() if runs.is_dir() else ())
        if (match := pattern.fullmatch(path.name))
    }
    last = found[max(found)] if found else None
    if not resume:
        return runs / f"{name}-sweep-{max(found, default=0) + 1}"
    if last is None or is_finished(last):
        told = _("There is no interrupted sweep of {name!r}. Leave out --resume to start one.")
        raise NotResumable(told.format(name=name))
    return last


def is_finished(folder: Path) -> bool:
    """Whether one of its runs has become an adapter."""
    return any(read_state(run).adapter for run in folder.iterdir() if (run / STATE_FILE).exists())


def show(values: Values) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
