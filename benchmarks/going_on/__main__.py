"""What a few corrections cost: an adapter goes on with them, and is measured before and after.

The adapter has seen 30 of the first 40 conversations of the bicycle sample; the other 10 measure.
The corrections are about things of which it knows nothing.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.markdown import describe_provenance, number, table
from benchmarks.provenance import RESULTS, ROOT, describe, shown_command
from finetune.defaults import DEFAULT_BASE
from finetune.finish import Result
from finetune.hardware import before_torch
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.going_on.continuation import Continuation
from finetune.training.observer import Silent, StepMetrics

SAMPLE = ROOT / "data" / "samples" / "bike_workshop.txt"
CORRECTIONS = Path(__file__).with_name("corrections.txt")
NUM_CONVERSATIONS = 40
CASES = ((1, 42), (5, 42), (5, 1), (5, 2), (20, 42))  # corrections and seeds

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Measured:
    seed: int
    num_steps: int
    done: Continuation

    @property
    def cells(self) -> list[str]:
        done = self.done
        return [
            f"{done.num_corrections}",
            f"{self.seed}",
            f"{self.num_steps}",
            f"{done.num_learned}",
            number(done.loss_before, 3),
            number(done.loss_after, 3),
            f"{done.rise:+.1%}",
        ]


class Counter(Silent):
    """Counts the steps."""

    num_steps = 0

    def on_step(self, metrics: StepMetrics) -> None:
        self.num_steps = metrics.step


@app.command()
def main(
    base: Annotated[str, typer.Option(help="A name, a folder or a file.")] = DEFAULT_BASE,
    cases: Annotated[int, typer.Option(min=1, help="The first so many alone.")] = len(CASES),
    out: Annotated[
        Path | None,
        typer.Option(help="The page, without ending. [default: benchmarks/results/DAY-going-on]"),
    ] = None,
) -> None:
    """Train an adapter, go on from it with 1, 5 and 20 corrections, and write FILE.md."""
    before_torch()
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-going-on"
    with TemporaryDirectory() as folder:
        home = Path(folder)
        parent = train_parent(home, base)
        found = [go_on(home, count, seed) for count, seed in CASES[:cases]]
    typer.echo(_write(path, parent, found))


def train_parent(home: Path, base: str) -> Result:
    data = home / "workshop.txt"
    _first(SAMPLE, NUM_CONVERSATIONS, data)
    options = {"base": base, "name": "workshop", "rank": 8, "epochs": 4, "evals_per_epoch": 1}
    return _job({**options, "data": data}, home, Silent()).execute()


def go_on(home: Path, count: int, seed: int) -> Measured:
    """What so many corrections do to the adapter that `train_parent` has made."""
    data = home / f"corrections-{count}.txt"
    _first(CORRECTIONS, count, data)
    options = {"from_adapter": "workshop@1", "name": f"with-{count}-{seed}", "seed": seed}
    counter = Counter()
    result = _job({**options, "data": data}, home, counter).execute()
    assert result.continuation is not None
    return Measured(seed, counter.num_steps, result.continuation)


def _job(options: dict[str, Any], home: Path, observer: Silent) -> Job:
    return Job(TrainConfig.model_validate({**options, "report": "none"}), home, observer)


def _first(source: Path, count: int, copy: Path) -> None:
    conversations = source.read_text(encoding="utf-8").strip().split("\n\n")
    copy.write_text("\n\n".join(conversations[:count]) + "\n", encoding="utf-8")


def _write(path: Path, parent: Result, found: Sequence[Measured]) -> str:
    heads = ("corrections", "seed", "steps", "answered word for word", "before", "after", "change")
    today = date.today()
    page = [
        f"# Going on with a few corrections, {today}",
        *describe_provenance(describe(today, shown_command("going_on", sys.argv[1:]))),
        f"Held-out loss in nats a token, at training precision; in {parent.precision} the base "
        f"alone has {parent.base_loss:.3f} and the adapter {parent.adapter_loss:.3f}.",
        table(heads, [each.cells for each in found], num_words=0),
    ]
    text = "\n\n".join(page) + "\n"
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    app()
