"""What learning from preferences adds to corrections as examples, on few of them.

    python -m benchmarks.preference

An adapter of the workshop sample is corrected: 20 or 60 of its answers are to be given in another
manner. Adapters are trained from the base on the corrections and what stays as it was: as examples
alone, and then with DPO, and with KTO. Every cell is written down when it is
done, so a run that was ended goes on with the same command.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from benchmarks.markdown import describe_provenance, table
from benchmarks.preferring.cells import ARMS, Arm, Cell, Laboratory
from benchmarks.preferring.material import Material, Sizes
from benchmarks.provenance import RESULTS, ROOT, describe, shown_command
from finetune.defaults import DEFAULT_BASE
from finetune.hardware import before_torch

COUNTS, SEEDS = (20, 60), (1, 2, 3)
TOKENS = 120  # of an answer
DRAWS, LEVEL = 4000, 0.95
WORK = ROOT / "benchmark-home" / "preference"
QUICK = Sizes(measuring=6, choosing=8, old=3)

Score = Callable[[Cell], Sequence[float]]  # one number for each held-out correction

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    base: Annotated[str, typer.Option(help="A name, a folder or a file.")] = DEFAULT_BASE,
    home: Annotated[Path, typer.Option(help="Where cells and trainings are kept.")] = WORK,
    by_length: Annotated[
        bool, typer.Option("--by-length", help="With DPO by the token, besides.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="One count, one seed, one epoch: does it run?")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The page, without ending. [default: benchmarks/results/DAY-preference]"),
    ] = None,
) -> None:
    """Fill the cells that are missing, and write the page (FILE.md, FILE.json)."""
    before_torch()
    chosen: list[Arm] = [arm for arm in ARMS if by_length or arm != "dpo by length"]
    options: dict[str, Any] = {"base": base, **({"epochs": 1} if quick else {})}
    material = Material.read(QUICK if quick else Sizes())
    laboratory = Laboratory(home, material, options, 8 if quick else TOKENS)
    for seed in SEEDS[:1] if quick else SEEDS:
        for count in (10,) if quick else COUNTS:
            for arm in chosen:
                if not laboratory.has(arm, count, seed):
                    cell = laboratory.fill(arm, count, seed)
                    typer.echo(f"{arm}, {count}, seed {seed}: {cell.seconds:.0f} s", err=True)
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-preference"
    cells = [each for each in laboratory.cells if each.arm in chosen]
    page = _page(cells, len(material.measuring))
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    kept = [asdict(each) for each in cells]
    path.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    typer.echo(page)


def interval(cells: Sequence[Cell], others: Sequence[Cell], score: Score) -> tuple[float, ...]:
    """The mean difference between two arms, with the same seeds in order, and its 95 % interval:
    seeds and held-out corrections are drawn anew."""
    import numpy as np

    pairs = zip(cells, others, strict=True)
    found = np.array([np.subtract(score(one), score(other)) for one, other in pairs])
    chooser = np.random.default_rng(0)
    num_seeds, num_items = found.shape
    means = [
        found[chooser.integers(num_seeds, size=num_seeds)][
            :, chooser.integers(num_items, size=num_items)
        ].mean()
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(found.mean()), float(low), float(high)


def _right(cell: Cell) -> Sequence[float]:
    return cell.right


def _prefers(cell: Cell) -> Sequence[float]:
    return [float(right < wrong) for right, wrong in zip(cell.right, cell.wrong, strict=True)]


def _page(cells: Sequence[Cell], num_measuring: int) -> str:
    provenance = describe(date.today(), shown_command("preference", sys.argv[1:]))
    intro = (
        f"{num_measuring} corrections were held out. Loss is theirs, in nats a token; *prefers* "
        "the share of them that is likelier, by the token, than the answer that was given before. "
        "Differences are to the examples alone, with 95 % intervals over seeds and corrections. "
        "Figures of the second stage are those after its whole epoch; *kept* says how often its "
        "own rule would keep it. *In the new manner* is the share of greedy answers that begin and "
        "end as the corrections do: the mean, and the least and most of the seeds."
    )
    parts = ["# Preferences beside examples, on few corrections", intro]
    for count in sorted({each.count for each in cells}):
        own = [each for each in cells if each.count == count]
        parts += [f"## {count} corrections", *_tables(own)]
    minutes = sum(each.seconds for each in cells) / 60
    parts += [f"All cells took {minutes:.0f} minutes.", *describe_provenance(provenance)]
    return "\n\n".join(parts) + "\n"


def _tables(cells: Sequence[Cell]) -> list[str]:
    of: dict[Arm, list[Cell]] = {arm: found for arm in ARMS if (found := _of(arm, cells))}
    main_heads = ("method", "loss", "difference", "prefers", "difference", "kept")
    heads = ("method", "in the new manner", "old manner: loss", "everyday: loss", "length", "ended")
    return [
        table(main_heads, [_main_row(arm, own, of["examples"]) for arm, own in of.items()]),
        table(heads, [_row(arm, own) for arm, own in of.items()]),
    ]


def _of(arm: Arm, cells: Sequence[Cell]) -> list[Cell]:
    return sorted((each for each in cells if each.arm == arm), key=lambda each: each.seed)


def _main_row(arm: Arm, cells: Sequence[Cell], examples: Sequence[Cell]) -> list[str]:
    loss = fmean(fmean(each.right) for each in cells)
    prefers = fmean(fmean(_prefers(each)) for each in cells)
    if arm == "examples":
        return [arm, f"{loss:.3f}", "", f"{prefers:.0%}", "", ""]
    by_loss = "{:+.3f} ({:+.3f} to {:+.3f})".format(*interval(cells, examples, _right))
    by_choice = "{:+.1%} ({:+.1%} to {:+.1%})".format(*interval(cells, examples, _prefers))
    kept = f"{sum(bool(each.is_kept) for each in cells)} of {len(cells)}"
    return [arm, f"{loss:.3f}", by_loss, f"{prefers:.0%}", by_choice, kept]


def _row(arm: Arm, cells: Sequence[Cell]) -> list[str]:
    def mean(name: str) -> float:
        return fmean(getattr(each, name) for each in cells)

    shares = [each.in_manner for each in cells]
    return [
        arm,
        f"{fmean(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})",
        f"{mean('old'):.3f}",
        f"{mean('everyday'):.3f}",
        f"{mean('length'):.2f}",
        f"{mean('ended'):.0%}",
    ]


if __name__ == "__main__":
    app()
