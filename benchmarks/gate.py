"""How often the gate promotes: where nothing is better, and where something is, by hold-out.

    python -m benchmarks.gate
    python -m benchmarks.gate --record

Rounds are drawn from the losses of two trainings of the default base that differ by their seed
alone, item by item (tests/finetune/improving/likelihoods.json, which `--record` makes anew, in a
quarter of an hour). Which of both is called the candidate is drawn for each item, so nothing is
better; then the candidate's losses are lowered by a share.
"""

import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import typer

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import describe_provenance, table
from benchmarks.provenance import RESULTS, ROOT, describe, shown_command
from finetune.improving.decision import decide
from finetune.improving.figures import Figures, PairedLosses

RECORDED = ROOT / "tests" / "finetune" / "improving" / "likelihoods.json"
SAMPLES = ("bike_workshop", "tcm_consultation")
HELD_OUT = (10, 40, 100)
BETTER = (0.0, 0.01, 0.02, 0.05)  # shares of the loss
MOST_WRONG, LEAST_RIGHT = 0.05, 0.8

Losses = tuple[Sequence[float], Sequence[float]]  # of both trainings, by item

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Promotions:
    """Shares of the rounds that were promoted, by hold-out and by how much better it was."""

    rounds: int
    shift: float  # between both seeds: mean gain, as a share of the loss
    spread: float  # of the gains by item: standard deviation
    shares: Mapping[int, Mapping[float, float]]


def share_promoted(losses: Losses, held_out: int, better: float, rounds: int, seed: int) -> float:
    """The share of so many drawn rounds that the gate promotes."""
    chooser = random.Random(seed)
    promoted = 0
    for _ in range(rounds):
        items = [_exchanged(losses, chooser) for _ in range(held_out)]
        served, candidate = zip(*items, strict=True)
        drawn = PairedLosses(served, [loss * (1 - better) for loss in candidate])
        figures = Figures(drawn, PairedLosses((), ()), (), (), (), ())
        promoted += decide(figures).outcome == "promote"
    return promoted / rounds


def _exchanged(losses: Losses, chooser: random.Random) -> tuple[float, float]:
    item = chooser.randrange(len(losses[0]))
    one, other = (side[item] for side in losses)
    return (one, other) if chooser.random() < 0.5 else (other, one)


def read_recorded() -> dict[str, Losses]:
    return json.loads(RECORDED.read_text("utf-8"))


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=100, help="Drawn for each cell.")] = 10_000,
    record: Annotated[
        bool, typer.Option("--record", help="Train and measure anew what is drawn from.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-gate]"),
    ] = None,
) -> None:
    """Draw, print and write the table (FILE.json, FILE.md); exit 1 where a bar is missed."""
    if record:
        RECORDED.write_text(json.dumps(_record()) + "\n", encoding="utf-8")
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-gate"
    found = {name: _draw(losses, rounds) for name, losses in read_recorded().items()}
    bars = [bar for name, each in found.items() for bar in _bars(name, each)]
    page = _page(found, bars)
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    kept = {name: asdict(each) for name, each in found.items()}
    path.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    typer.echo(page)
    raise typer.Exit(0 if all(bar.is_passed for bar in bars) else 1)


def _draw(losses: Losses, rounds: int) -> Promotions:
    gains = [(one - other) / one for one, other in zip(*losses, strict=True)]
    shares = {
        held_out: {
            better: share_promoted(losses, held_out, better, rounds, seed=held_out)
            for better in BETTER
        }
        for held_out in HELD_OUT
    }
    return Promotions(rounds, abs(fmean(gains)), stdev(gains), shares)


def _bars(name: str, found: Promotions) -> list[Bar]:
    wrong = max(shares[0.0] for shares in found.shares.values())
    right = found.shares[40][0.05]
    return [
        Bar(f"{name}: promoted without a difference", MOST_WRONG, wrong, is_most=True, unit=""),
        Bar(f"{name}: promoted at 5 % better, 40 held out", LEAST_RIGHT, right, unit=""),
    ]


def _page(found: Mapping[str, Promotions], bars: Sequence[Bar]) -> str:
    provenance = describe(date.today(), shown_command("gate", sys.argv[1:]))
    parts = ["# How often the gate promotes", bars_table(bars)]
    for name, each in found.items():
        heads = ["held out", *(f"{better:.0%} better" for better in BETTER)]
        rows = [
            [str(held_out), *(f"{share:.1%}" for share in shares.values())]
            for held_out, shares in each.shares.items()
        ]
        told = (
            f"## {name}\n\n{each.rounds:,} rounds a cell. Between two seeds the loss of all items "
            f"differs by {each.shift:.1%}, beside which an item's differs by {each.spread:.1%} "
            "(standard deviation)."
        )
        parts += [told, table(heads, rows)]
    return "\n\n".join([*parts, *describe_provenance(provenance)]) + "\n"


def _record() -> dict[str, Losses]:
    """Train each sample's one half with two seeds, and measure on the other."""
    with tempfile.TemporaryDirectory() as folder:
        return {name: _losses(name, Path(folder)) for name in SAMPLES}


def _losses(name: str, home: Path) -> Losses:
    from data.convert import write_conversations
    from data.reading.reader import read_conversations
    from finetune.adapters.trained_base import find_trained_base
    from finetune.eval_job import side_of
    from finetune.evaluation.sides import Pair, render_pair
    from finetune.job import Job
    from finetune.training.config import TrainConfig

    rows = read_conversations(ROOT / "data" / "samples" / f"{name}.txt")
    data, held_out = home / f"{name}.jsonl", home / f"{name}-held-out.jsonl"
    write_conversations(rows[::2], data)
    write_conversations(rows[1::2], held_out)
    common = {"data": data, "validation": held_out, "report": "none"}
    versions = [
        Job(TrainConfig.model_validate({**common, "name": f"{name}-{seed}", "seed": seed}), home)
        .execute()
        .version.read()
        for seed in (1, 2)
    ]
    base = find_trained_base(versions[0], None, home)
    one, other = (side_of(version, base) for version in versions)
    pair = Pair(base, one, other, "cpu", TrainConfig.model_validate({}).micro_batch_tokens)
    drawn = render_pair(one, other, rows[1::2], TrainConfig.model_validate({}).max_tokens)
    both = pair.loss(one, drawn.baseline), pair.loss(other, drawn.adapter)
    first, second = (
        [round(total / count, 5) for total, count in zip(loss.sums, loss.counts, strict=True)]
        for loss in both
    )
    return first, second


if __name__ == "__main__":
    app()
