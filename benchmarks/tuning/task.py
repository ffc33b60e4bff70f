"""What a tool is told and what it tells, as JSON files. Runs in every tool's own environment."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

IGNORED = -100  # the label of a token that is not trained
OUTCOME_FILE = "outcome.json"
EXAMPLE_LENGTH = 1024  # [tokens] that no row here exceeds

Compute = Literal["bf16", "fp32"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """None leaves an option to the tool's own default."""

    rank: int | None = None
    alpha: int | None = None
    dropout: float | None = None
    all_linear: bool = False
    double_quantization: bool | None = None
    compute: Compute | None = None
    checkpointing: bool | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    warmup_ratio: float | None = None
    epochs: int | None = None
    micro_batch: int | None = None  # [rows]
    accumulation: int | None = None  # [micro-batches]
    options: dict[str, Any] = field(default_factory=dict[str, Any])  # by the tool's own names


@dataclass(frozen=True, slots=True)
class Task:
    base: Path
    data: Path  # conversations to train on and to hold out
    rows: Path  # the former as token ids and labels, one JSON object a line
    out: Path  # a folder
    seed: int
    recipe: Recipe
    max_steps: int | None = None
    keeps_adapters: bool = False  # after each epoch

    def write(self) -> Path:
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / "task.json"
        path.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")
        return path


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept along the way."""

    step: int
    seconds: float  # of training until then
    adapter: Path | None = None
    loss: float | None = None  # held-out, as the tool itself measured it


@dataclass(frozen=True, slots=True)
class Outcome:
    step_ends: tuple[float, ...]  # [seconds] since training began; saving is left out
    kept: tuple[Kept, ...] = ()
    rates: tuple[float, ...] = ()  # [tokens/second] of each step, where a tool tells it
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), default=str)
        (folder / OUTCOME_FILE).write_text(text, encoding="utf-8")


def read_task(path: Path) -> Task:
    told = json.loads(path.read_text(encoding="utf-8"))
    places = {name: Path(told.pop(name)) for name in ("base", "data", "rows", "out")}
    return Task(recipe=Recipe(**told.pop("recipe")), **places, **told)


def read_outcome(folder: Path) -> Outcome:
    told = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
    kept = tuple(_kept(**each) for each in told["kept"])
    return Outcome(tuple(told["step_ends"]), kept, tuple(told["rates"]), told["facts"])


def _kept(adapter: str | None, **others: Any) -> Kept:
    return Kept(adapter=Path(adapter) if adapter else None, **others)


def read_rows(path: Path) -> list[dict[str, list[int]]]:
    """`input_ids` and `labels` of each row."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
