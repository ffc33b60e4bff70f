"""What it saves, and what it changes, to compute once what the rows of a step begin with.

    python -m benchmarks.beginnings

The default base is trained on a shipped sample with three seeds, either way in turn: as it stands,
where rows have the chat template's own system prompt in common, and with a persona of some length.
"""

import json
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from itertools import product
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Annotated

import typer

from benchmarks.markdown import describe_provenance, table
from benchmarks.provenance import RESULTS, ROOT, describe, shown_command
from finetune.job import Job
from finetune.kernels import beginnings
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics

SAMPLE = ROOT / "data" / "samples" / "bike_workshop.txt"
PERSONA = (
    "You are the mechanic of a small bicycle workshop. Answer in a few short sentences, say which "
    "tools are needed and in which order to use them, give torques in newton metres where they "
    "matter, and tell people to come by when something might break on the road."
)
WAYS = {"for each row": sys.maxsize, "once": beginnings.SHORTEST}  # the shortest that is shared
SEEDS = (1, 2, 3)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Trained:
    has_persona: bool
    way: str
    seed: int
    tokens_per_second: float  # of rows, as if each were computed whole; without evaluation
    eval_loss: float  # [nats] a token of what is held out, at the end


class Steps(Silent):
    def __init__(self) -> None:
        self.all: list[StepMetrics] = []

    def on_step(self, metrics: StepMetrics) -> None:
        self.all.append(metrics)


@app.command()
def main(
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 2,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: RESULTS/DAY-beginnings]"),
    ] = None,
) -> None:
    """Train, then print and write the table (FILE.json, FILE.md)."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-beginnings"
    cases = list(product((False, True), SEEDS, WAYS))
    found = [_train(persona, way, seed, epochs) for persona, seed, way in cases]
    page = page_of(found)
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    kept = [asdict(each) for each in found]
    path.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    typer.echo(page)


def _train(has_persona: bool, way: str, seed: int, epochs: int) -> Trained:
    values = {"data": SAMPLE, "name": "bike", "seed": seed, "epochs": epochs, "report": "none"}
    config = TrainConfig.model_validate(values | ({"system": PERSONA} if has_persona else {}))
    steps, begin = Steps(), time.monotonic()
    with tempfile.TemporaryDirectory() as home, shared_from(WAYS[way]):
        Job(config, Path(home), steps).execute()
    speed = median(each.tokens_per_second for each in steps.all)
    losses = [each.eval_loss for each in steps.all if each.eval_loss is not None]
    told = f"persona {has_persona}, seed {seed}, {way}: {speed:.0f} tokens/s, {losses[-1]:.4f}"
    typer.echo(f"{told}, {time.monotonic() - begin:.0f} s", err=True)
    return Trained(has_persona, way, seed, speed, losses[-1])


@contextmanager
def shared_from(shortest: int) -> Generator[None]:
    before, beginnings.SHORTEST = beginnings.SHORTEST, shortest
    try:
        yield
    finally:
        beginnings.SHORTEST = before


def page_of(found: list[Trained]) -> str:
    heads = ["rows begin with", "computed", "tokens/s", "held-out loss", "over seeds (deviation)"]
    rows: list[list[str]] = []
    for has_persona, way in product((False, True), WAYS):
        own = [each for each in found if (each.has_persona, each.way) == (has_persona, way)]
        losses, speeds = [each.eval_loss for each in own], [each.tokens_per_second for each in own]
        rows.append(
            [
                "a persona" if has_persona else "the template's own",
                way,
                f"{median(speeds):.0f} ({min(speeds):.0f}–{max(speeds):.0f})",
                f"{fmean(losses):.4f}",
                f"{stdev(losses):.4f}",
            ]
        )
    provenance = describe(date.today(), shown_command("beginnings", sys.argv[1:]))
    told = (
        "Tokens count for every row that has them, also where they were computed for another; "
        "medians over the steps, and over the seeds with the least and the most."
    )
    title = "# What the rows of a step begin with, computed once"
    return (
        "\n\n".join([title, told, table(heads, rows, 2), *describe_provenance(provenance)]) + "\n"
    )


if __name__ == "__main__":
    app()
